"""The desk: words are the document, and all that a page asks for follows from it."""

import base64
import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from flows import motions, selections, video
from mg_jax.interactive import desk as desks
from mg_jax.interactive import uploads
from mg_jax.interactive.desk import Desk
from mg_jax.interactive.document import Document, Part
from mg_jax.result import Result

from . import stub
from .conftest import H, W, ask, encoded, opened, photo

RECTANGLE = {"tool": "rectangle", "how": "new", "points": [[20, 30], [60, 80]]}


def floats(text, width=2):
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, width)


def pixels(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def moved(desk, motion="translate dx=40 dy=-5", part=0):
    """Type a motion."""
    document = desk.document.to_json()
    document["parts"][part]["motion"] = motion
    return ask(desk, "edit", document=document)


def test_a_document_survives_json():
    document = Document(
        "photo-0123456789abcdef.png",
        (Part("click 3,4", "rotate degrees=5"), Part("mask-0123456789abcdef.png")),
        "preview",
        "a cup",
        7,
        256,
        3,
    )
    assert Document.of_json(json.loads(json.dumps(document.to_json()))) == document


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": -1}, "seed: -1; expected"),
        ({"seed": True}, "document.seed: bool; expected int"),
        ({"samples": 99}, "samples: 99; expected"),
        ({"photo": "/etc/passwd"}, "photo: '/etc/passwd'; expected"),
        ({"photo": "../photo-0123456789abcdef.png"}, "photo: "),
        ({"parts": [{"selection": "/etc/passwd", "motion": ""}]}, "parts[0].selection: '/etc/p"),
        ({"parts": [{"selection": "click 1,1", "motion": "fly up"}]}, "parts[0].motion: motion 'f"),
        ({"parts": [{"selection": "click 1,1"}]}, "parts[0]: expected an object with"),
        ({"parts": "click"}, "parts: expected a list"),
        ({"parts": [{"selection": "everything", "motion": ""}] * 33}, "parts: 33; expected"),
        ({"prompt": "x" * 5000}, "prompt: 5000 characters"),
        ({"more": 1}, "document: expected an object with"),
    ],
)
def test_a_document_that_is_none_is_refused_in_a_line(change, said):
    found = Document().to_json() | change
    with pytest.raises(ValueError, match=r"^\S") as raised:
        Document.of_json(found)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


def test_a_photo_is_shown_as_it_is(desk):
    state = opened(desk)
    assert (state["photo"]["width"], state["photo"]["height"]) == (W, H)
    np.testing.assert_array_equal(pixels(ask(desk, "photo")["data"]), photo())


def test_a_rectangle_makes_a_part_with_a_mesh_and_handles(desk):
    opened(desk)
    state = ask(desk, "select", **RECTANGLE)
    (part,) = state["parts"]
    assert (state["part"], part["selection"]) == (0, "rectangle 20,30 60,80")
    geometry = ask(desk, "geometry", part=0)
    np.testing.assert_array_equal(floats(part["moved"]), floats(geometry["points"]))
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(geometry["mask"])))) > 0
    np.testing.assert_array_equal(mask, selections.select(part["selection"], photo()))
    assert {"move", "nw", "rotate", "pivot"} <= {handle["name"] for handle in part["handles"]}


def test_a_click_is_rough_at_once_and_then_exact(desk, told):
    opened(desk)
    state = ask(desk, "select", tool="click", how="new", points=[[50, 60]])
    assert state["parts"][0]["rough"]
    told.wait(lambda event: event["event"] == "refined")
    state = ask(desk, "state")
    assert not state["parts"][0]["rough"]
    exact = selections.select("click 50,60", photo())
    assert state["parts"][0]["share"] == exact.mean()
    state = ask(desk, "select", tool="click", how="add", part=0, points=[[115, 55]])
    assert state["parts"][0]["selection"] == "click 50,60 115,55"
    state = ask(desk, "select", tool="click", how="remove", part=0, points=[[115, 42]])
    assert state["parts"][0]["selection"] == "click 50,60 115,55 not 115,42"


def test_more_and_less_of_a_rectangle_is_a_mask(desk):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    ask(desk, "select", tool="polygon", how="add", part=0, points=[[70, 30], [90, 30], [80, 60]])
    state = ask(
        desk, "select", tool="brush", how="remove", part=0, points=[[30, 40], [35, 40]], radius=4
    )
    (part,) = state["parts"]
    assert part["selection"].startswith("mask-")
    mask = np.asarray(Image.open(desk.folder / part["selection"])) > 0
    assert mask[35, 80]
    assert mask[75, 25]
    assert not mask[40, 33]


def test_a_mask_picture_is_taken_and_a_wrong_one_refused(desk):
    opened(desk)
    white = np.zeros((H, W), np.uint8)
    white[40:60, 40:60] = 255
    ask(desk, "select", tool="mask", how="new", data=encoded(uploads.png(white)))
    assert desk.document.parts[0].is_mask
    for bad in (white[:, : W // 2], 0 * white):
        reply = desk.answer(
            {"type": "select", "tool": "mask", "how": "new", "data": encoded(uploads.png(bad))}
        )
        assert reply["error"].startswith("mask")
    assert len(desk.document.parts) == 1


def test_typed_words_move_points_and_handles(desk):
    opened(desk)
    before = ask(desk, "select", **RECTANGLE)["parts"][0]
    after = moved(desk)["parts"][0]
    np.testing.assert_allclose(
        floats(after["moved"]) - floats(before["moved"]),
        np.tile([40, -5], (len(floats(after["moved"])), 1)),
    )
    at = [{one["name"]: one for one in part["handles"]}["nw"] for part in (before, after)]
    assert at[1]["x"] - at[0]["x"] == 40


def test_a_dragged_handle_writes_words_when_it_is_let_go(desk):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    drag = {"part": 0, "words": "", "handle": "move", "x": 70, "y": 55}
    assert ask(desk, "drag", **drag)["view"]["motion"] == "translate dx=30 dy=0"
    assert desk.document.parts[0].motion == ""
    ask(desk, "drag", **drag, done=True)
    assert desk.document.parts[0].motion == "translate dx=30 dy=0"


def test_a_motions_own_error_names_its_field_and_changes_nothing(desk):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    document = desk.document.to_json()
    for words, said in (("rotate", "has no parameter"), ("bend degrees=300 along=0", "runs into")):
        document["parts"][0]["motion"] = words
        reply = desk.answer({"type": "edit", "document": document})
        assert reply["error"].startswith("parts[0].motion: motion")
        assert said in reply["error"]
    assert desk.document.parts[0].motion == ""


def test_undo_and_redo_walk_the_documents(desk):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    moved(desk)
    last = desk.document
    state = ask(desk, "undo")
    assert state["redo"]
    assert desk.document.parts[0].motion == ""
    ask(desk, "undo")
    assert desk.document.parts == ()
    ask(desk, "redo")
    ask(desk, "redo")
    assert desk.document == last
    ask(desk, "undo")
    moved(desk, "rotate degrees=9")
    assert not ask(desk, "state")["redo"]


def test_parts_are_reordered_and_the_one_below_is_told_to_hide(desk):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    ask(desk, "select", tool="rectangle", how="new", points=[[100, 40], [130, 70]])
    state = moved(desk, "translate dx=-75", part=1)
    assert any("others hide" in line for line in state["parts"][0]["warnings"])
    document = desk.document.to_json()
    document["parts"].reverse()
    state = ask(desk, "edit", document=document)
    assert any("others hide" in line for line in state["parts"][0]["warnings"])
    assert state["parts"][1]["warnings"] == []


def test_what_leaves_and_what_folds_is_told(desk):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    view = moved(desk, "translate dx=-40")["parts"][0]
    assert 0.4 < view["leaving"] < 0.6
    assert view["warnings"] == [f"{view['leaving']:.0%} of it leaves the picture"]
    words = "drag from=25,35/55,35/40,75/40,50 to=25,35/55,35/40,75/40,90"
    view = moved(desk, words)["parts"][0]
    assert view["folded"]
    assert "folds over" in view["warnings"][0]


def test_another_desk_finds_everything_again(desk, tmp_path, told):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    moved(desk)
    again = Desk(tmp_path / "session", told, edit=stub.edit)
    assert again.document == desk.document
    assert ask(again, "undo")["document"]["parts"][0]["motion"] == ""
    again.close()


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"documents": [1], "at": 0, "jobs": []}'])
def test_a_broken_autosave_begins_anew(tmp_path, told, broken):
    folder = tmp_path / "session"
    folder.mkdir()
    (folder / "session.json").write_text(broken)
    desk = Desk(folder, told, edit=stub.edit)
    assert desk.document == Document()
    desk.close()


def test_an_edit_is_run_level_by_level_and_its_result_kept(desk, told):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    moved(desk)
    state = ask(desk, "run")
    assert state["jobs"][0]["status"] in ("waiting", "compiling")
    told.status(1, "done")
    levels = [e["job"] for e in told.events if e["event"] == "job" and "levels" in e["job"]]
    assert [(one["done"], one["levels"]) for one in levels] == [
        (done, stub.LEVELS) for done in range(1, stub.LEVELS + 1)
    ]
    assert pixels(levels[0]["picture"]).shape == (H, W, 3)
    reply = ask(desk, "result", job=1)
    made = Result.load(desk.folder / "results" / "1")
    np.testing.assert_array_equal(pixels(reply["images"][0]), made.image)
    np.testing.assert_array_equal(made.flow, desk.flow()[0])
    taken = ask(desk, "take", what="picture", job=1)
    np.testing.assert_array_equal(pixels(taken["data"]), made.image)


def test_a_film_is_made_besides_by_the_same_model(desk, told, monkeypatch):
    monkeypatch.setattr(desks, "_FRAMES", 3)
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    moved(desk)
    ask(desk, "edit", document=dataclasses.replace(desk.document, model="preview").to_json())
    ask(desk, "run")
    assert ask(desk, "film")["jobs"][1]["film"]
    told.status(2, "done")
    told = [
        e["job"] for e in told.events if e["event"] == "job" and e["job"].get("phase") == "film"
    ]
    assert [(one["number"], one["done"], one["levels"]) for one in told] == [
        (2, done, 3) for done in (1, 2, 3)
    ]
    np.testing.assert_array_equal(pixels(told[0]["picture"]), photo())
    taken = ask(desk, "take", what="film", job=2)
    path = desk.folder / taken["name"]
    path.write_bytes(base64.b64decode(taken["data"]))
    shown = video.frame(path, 1.0).picture.astype(float)
    assert np.abs(shown - pixels(told[-1]["picture"])).mean() < 6
    assert (
        "expected one that was filmed"
        in desk.answer({"type": "take", "what": "film", "job": 1})["error"]
    )


def test_a_cancel_stops_at_the_next_level_and_a_deaf_one_is_ended(desk, told):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    moved(desk)
    for number, seed in ((1, stub.LONG), (2, stub.DEAF)):
        ask(desk, "edit", document=dataclasses.replace(desk.document, seed=seed).to_json())
        ask(desk, "run")
        told.status(number, "running" if seed == stub.LONG else "compiling")
        ask(desk, "cancel", job=number)
        told.status(number, "cancelled")
    ask(desk, "edit", document=dataclasses.replace(desk.document, seed=0).to_json())
    ask(desk, "run")
    told.status(3, "done")


def test_jobs_wait_in_a_queue_and_may_be_taken_from_it(desk, told):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    moved(desk)
    ask(desk, "edit", document=dataclasses.replace(desk.document, seed=stub.LONG).to_json())
    ask(desk, "run")
    ask(desk, "edit", document=dataclasses.replace(desk.document, seed=stub.BAD).to_json())
    ask(desk, "run")
    ask(desk, "run")
    told.status(1, "running")
    ask(desk, "cancel", job=2)
    assert ask(desk, "state")["jobs"][1]["status"] == "cancelled"  # at once
    ask(desk, "cancel", job=1)
    assert told.status(3, "failed")["error"] == "seed: 11; expected a better one"
    assert [job["status"] for job in ask(desk, "state")["jobs"]] == [
        "cancelled",
        "cancelled",
        "failed",
    ]


def test_the_ground_hides_what_moves_and_the_preview_is_the_librarys(desk):
    opened(desk)
    ask(desk, "select", tool="rectangle", how="new", points=[[25, 35], [75, 85]])
    moved(desk, "translate dx=70")
    ground = pixels(ask(desk, "ground")["data"])
    assert np.abs(ground[60, 50].astype(int) - [102, 125, 100]).max() < 25
    import mg_jax

    flow, order = desk.flow()
    np.testing.assert_array_equal(
        pixels(ask(desk, "preview")["data"]), mg_jax.preview(photo(), flow, order)
    )


def test_flow_and_masks_are_taken_away(desk):
    opened(desk)
    ask(desk, "select", **RECTANGLE)
    moved(desk)
    flow = np.load(io.BytesIO(base64.b64decode(ask(desk, "take", what="flow")["data"])))["flow"]
    mask = selections.select("rectangle 20,30 60,80", photo())
    np.testing.assert_array_equal(flow, motions.field(motions.parse("translate dx=40 dy=-5"), mask))
    assert ask(desk, "take", what="masks")["name"] == "masks.zip"


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"type": "shutdown"},
        {"type": ["state"]},
        {"type": "state", "mode": "fly"},
        {"type": "open", "name": "x", "data": "no base64!"},
        {"type": "open", "name": "x", "data": encoded(b"no picture")},
        {"type": "open", "name": "x", "data": 3},
        {"type": "geometry", "part": 7},
        {"type": "geometry", "part": "0"},
        {"type": "select", "tool": "click", "how": "new", "points": [[1e9, 3]]},
        {"type": "select", "tool": "click", "how": "new", "points": [[1, 2, 3]]},
        {"type": "select", "tool": "click", "how": "new", "points": [["a", "b"]]},
        {"type": "select", "tool": "click", "how": "new", "points": [[float("nan"), 1]]},
        {"type": "select", "tool": "click", "how": "new", "points": [[500, 3]]},
        {"type": "select", "tool": "lasso", "how": "new", "points": [[1, 1]]},
        {"type": "select", "tool": "click", "how": "maybe", "points": [[1, 1]]},
        {"type": "select", "tool": "click", "how": "remove", "points": [[1, 1]]},
        {"type": "select", "tool": "brush", "how": "new", "points": [[1, 1]], "radius": 1e5},
        {"type": "drag", "part": 0, "words": "", "handle": "nose", "x": 1, "y": 1},
        {"type": "drag", "part": 0, "words": "", "handle": "move", "x": "1", "y": 1},
        {"type": "run"},
        {"type": "result", "job": 9},
        {"type": "take", "what": "picture", "job": 9},
        {"type": "take", "what": "/etc/passwd"},
        {"type": "session", "data": encoded(b"PK no archive")},
        {"type": "edit", "document": None},
    ],
)
def test_a_message_at_fault_is_answered_with_a_line(desk, message):
    opened(desk)
    ask(desk, "select", tool="rectangle", how="new", points=[[20, 30], [60, 80]])
    before = desk.document
    reply = desk.answer(message)
    assert set(reply) == {"error"}
    assert "\n" not in reply["error"]
    assert str(desk.folder) not in reply["error"]
    assert desk.document == before
