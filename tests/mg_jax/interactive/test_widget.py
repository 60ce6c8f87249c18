"""The widget of a notebook: messages come in, and its attributes follow the hand."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import comm
import numpy as np
import pytest
from PIL import Image

import mg_jax
from flows import motions, selections
from mg_jax.interactive import notebook, uploads
from mg_jax.interactive.widget import Studio

from . import stub
from .conftest import H, Told, W, photo

RECTANGLE = {"tool": "rectangle", "how": "new", "points": [[20, 30], [60, 80]]}
PULL = {"part": 0, "words": "", "handle": "move", "x": 70, "y": 55}


class Frontend(comm.base_comm.BaseComm):
    """Stands for the browser's end of a widget: keeps what it is sent."""

    def __init__(self, *args, **kwargs):
        self.told, self.sent, self.asked = Told(), [], 0
        super().__init__(*args, **kwargs)

    def publish_msg(self, _, data=None, **__):
        content = (data or {}).get("content", {})
        self.sent += [content] if content else []
        self.told(content | content.get("event", {"event": None}))

    def send_up(self, content):
        self.handle_msg(
            {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
        )

    def ask(self, kind, **values):
        """The reply to a message, which is no error."""
        self.asked += 1
        to = f"test {self.asked}"
        self.send_up({"to": to, "message": {"type": kind, **values}})
        reply = self.told.wait(lambda content: content.get("to") == to)["reply"]
        assert "error" not in reply, reply["error"]
        return reply


@pytest.fixture(autouse=True)
def no_kernel(monkeypatch):
    monkeypatch.setattr(comm, "create_comm", Frontend)


@pytest.fixture
def make():
    made = []

    def of(folder=None, content=None):
        made.append(Studio(content or uploads.png(photo()), "cup", ["patch"], folder, stub.edit))
        return made[-1]

    yield of
    for one in made:
        one.close()


@pytest.fixture
def widget(make):
    return make()


def test_the_attributes_follow_a_scripted_hand(widget):
    heard = []
    widget.observe(lambda change: heard.append(change["new"]), "motion")
    ask = widget.comm.ask
    assert ask("state")["photo"]["width"] == W
    ask("select", **RECTANGLE)
    mask = selections.select("rectangle 20,30 60,80", photo())
    np.testing.assert_array_equal(widget.mask, mask)
    np.testing.assert_array_equal(widget.flow, np.zeros((H, W, 2), np.float32))
    assert widget.motion == ""

    ask("drag", **PULL)
    assert widget.motion == ""  # the hand still holds it
    ask("drag", **PULL, done=True)
    assert widget.motion == "translate dx=30 dy=0"
    flow = motions.field(motions.parse(widget.motion), mask)
    assert (widget.flow.dtype, widget.flow.shape) == (np.float32, (H, W, 2))
    np.testing.assert_array_equal(widget.flow, flow)

    ask("select", tool="rectangle", how="new", points=[[100, 40], [130, 70]])
    ask("drag", part=1, words="rotate degrees=20", handle="move", x=115, y=75, done=True)
    assert len(widget.motion.splitlines()) == 2
    other = selections.select("rectangle 100,40 130,70", photo())
    objects = zip(map(motions.parse, widget.motion.splitlines()), (mask, other), strict=True)
    np.testing.assert_array_equal(widget.flow, motions.together(list(objects)))
    np.testing.assert_array_equal(widget.mask, mask | other)

    for _ in range(3):
        ask("undo")
    assert widget.motion == ""
    assert not widget.flow.any()
    ask("redo")
    np.testing.assert_array_equal(widget.flow, flow)
    assert [words.count("\n") for words in heard] == [0, 1, 0, 0, 0]


def test_the_result_follows_an_edit(widget):
    ask, told = widget.comm.ask, widget.comm.told
    heard = []
    widget.observe(lambda change: heard.append(change["new"]), "result")
    ask("select", **RECTANGLE)
    ask("drag", **PULL, done=True)
    assert widget.result is None
    number = ask("run")["jobs"][0]["number"]
    told.status(number, "done")
    end = time.monotonic() + 10
    while not heard and time.monotonic() < end:
        time.sleep(0.01)
    assert heard == [widget.result]
    np.testing.assert_array_equal(widget.result.flow, widget.flow)
    np.testing.assert_array_equal(widget.result.source, photo())
    widget.close()
    assert widget.result.image.shape == (H, W, 3)


def test_slow_pictures_come_while_other_messages_are_answered(widget):
    ask = widget.comm.ask
    ask("select", **RECTANGLE)
    ask("drag", **PULL, done=True)
    widget.comm.send_up({"to": "late", "message": {"type": "preview"}})
    ask("state")
    assert not any(content.get("to") == "late" for content in widget.comm.told.events)
    assert widget.comm.told.wait(lambda content: content.get("to") == "late")["reply"]["data"]


def test_a_fault_of_the_studios_own_is_answered_too(widget, monkeypatch):
    def broken(message):
        raise RuntimeError(message["type"])

    monkeypatch.setattr(widget._desk, "answer", broken)
    with pytest.raises(RuntimeError, match="state"):
        widget._answer({"to": "one", "message": {"type": "state"}})
    assert widget.comm.told.events[-1]["reply"]["error"].startswith("studio: failed")


def test_two_widgets_do_not_disturb_each_other(make):
    one, other = make(), make()
    one.comm.ask("select", **RECTANGLE)
    one.comm.ask("drag", **PULL, done=True)
    assert one.motion
    assert other.motion == ""
    assert other.comm.ask("state")["parts"] == []
    one.close()
    other.comm.ask("select", **RECTANGLE)
    assert other.mask.any()


def test_a_folder_is_gone_on_with_and_a_temporary_one_goes(make, tmp_path):
    kept = make(tmp_path)
    kept.comm.ask("select", **RECTANGLE)
    kept.comm.ask("drag", **PULL, done=True)
    again = make(tmp_path)  # the cell is run once more
    assert kept.comm is None
    assert again.motion == kept.motion
    assert make(tmp_path, uploads.png(255 - photo())).motion == ""
    passing = make()
    folder = passing._desk.folder
    assert folder.is_dir()
    passing.close()
    assert not folder.exists()
    assert tmp_path.is_dir()


@pytest.fixture
def built(monkeypatch):
    """What `mg_jax.studio` hands to the widget."""
    found = []
    monkeypatch.setattr("mg_jax.interactive.widget.Studio", lambda *given: found.append(given))
    return found


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
def test_a_file_that_pages_take_is_taken_as_it_is(built, tmp_path, suffix):
    path = tmp_path / f"cup.{suffix}"
    Image.fromarray(photo()).save(path)
    mg_jax.studio(path)
    assert built == [(path.read_bytes(), str(path), ("patch", "preview"), None)]


def test_other_photos_keep_their_pixels_and_what_else_they_hold(built, tmp_path):
    profile = b"x" * 16 + b"RGB " + b"x" * 200
    path = tmp_path / "cup.tif"
    Image.fromarray(photo()).save(path, icc_profile=profile)
    opacity = np.full((H, W, 1), 255, np.uint8)
    opacity[:9] = 100
    clear = Image.fromarray(np.concatenate([photo(), opacity], axis=-1))
    for given in (photo(), Image.fromarray(photo()), path):
        mg_jax.studio(given)
    with pytest.warns(mg_jax.EditWarning, match="transparent"):
        mg_jax.studio(clear)
    for i, (content, *_) in enumerate(built):
        (tmp_path / f"{i}.png").write_bytes(content)
    seen = [mg_jax.photos.read(tmp_path / f"{i}.png") for i in range(4)]
    for one in seen[:3]:
        np.testing.assert_array_equal(one.pixels, photo())
    assert seen[2].original.profile == profile
    np.testing.assert_array_equal(seen[3].original.pixels, np.asarray(clear))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": [1, 2]}, "image: list; expected a file"),
        ({"image": np.zeros((40, 40), np.uint8)}, "image: uint8 of shape (40, 40); expected"),
        ({"image": "nowhere/cup.png"}, "nowhere/cup.png: "),
        ({"image": __file__}, __file__),
        ({"image": photo(), "models": "patch"}, "models: 'patch'; expected a list"),
        ({"image": photo(), "models": []}, "models: []; expected a list"),
        ({"image": photo(), "folder": __file__}, "folder: "),
    ],
)
def test_what_is_wrong_is_said_in_a_line(built, given, said):
    with pytest.raises(ValueError, match=r"^\S") as raised:
        notebook.studio.__wrapped__(**given)  # as without the types that tests check
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)
    assert not built


def test_a_photo_that_is_too_large_is_refused_before_anything_is_made(built, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PIXELS", 1000)
    with pytest.raises(ValueError, match=rf"^image: {W}x{H} pixels; expected at most"):
        mg_jax.studio(photo())
    assert not built


def test_without_anywidget_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(notebook, "find_spec", lambda _: None)
    with pytest.raises(
        ValueError, match=r"^anywidget: not installed; expected it.*mg_jax\[studio\]"
    ):
        mg_jax.studio(photo())


KERNEL = """
    import multiprocessing, os, signal, sys, time
    import numpy as np
    from mg_jax.interactive import uploads
    from mg_jax.interactive.widget import Studio
    from tests.mg_jax.interactive import stub
    from tests.mg_jax.interactive.conftest import photo

    if __name__ == "__main__":
        widget = Studio(uploads.png(photo()), "cup", ["patch"], None, stub.edit)
        ask = widget._desk.answer
        ask({"type": "select", "tool": "rectangle", "how": "new", "points": [[20, 30], [60, 80]]})
        drag = {"type": "drag", "part": 0, "words": "", "handle": "move", "x": 70, "y": 55}
        state = ask(drag | {"done": True})
        ask({"type": "edit", "document": state["document"] | {"seed": stub.LONG}})
        assert ask({"type": "preview"})["data"]
        ask({"type": "run"})
        while ask({"type": "state"})["jobs"][0]["status"] != "running":
            time.sleep(0.1)
        for child in multiprocessing.active_children():  # as when a notebook stops a cell
            os.kill(child.pid, signal.SIGINT)
        time.sleep(0.5)
        assert ask({"type": "state"})["jobs"][0]["status"] == "running"
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        END
"""


def alive(pid):
    """Whether a process runs; one that has ended may still wait for its parent to look."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.long
@pytest.mark.parametrize("end", ["sys.exit()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_when_the_kernel_ends_its_processes_end(tmp_path, end):
    script = tmp_path / "kernel.py"
    script.write_text(textwrap.dedent(KERNEL).replace("END", end))
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    pids = done.stdout
    assert len(pids.split()) == 2, done.stderr
    deadline = time.monotonic() + 10
    while any(alive(int(pid)) for pid in pids.split()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(int(pid)) for pid in pids.split())
