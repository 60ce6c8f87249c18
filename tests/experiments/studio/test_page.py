"""The page in a real browser: every tool and handle, keys alone, reload, run and cancel."""

import io
import re
import shlex
import time

import numpy as np
import pytest
from PIL import Image

import mg_jax
from mg_jax.interactive import uploads

from ...mg_jax.interactive import stub
from ...mg_jax.interactive.conftest import H, W, photo

pytestmark = pytest.mark.long  # 25 tests in a browser, a minute alone

READ = """() => {
    const { width, height } = document.querySelector(".pixels");
    const context = document.querySelector(".pixels").getContext("2d");
    const data = Array.from(context.getImageData(0, 0, width, height).data);
    return [width, height, btoa(data.map((value) => String.fromCharCode(value)).join(""))];
}"""


def at(page, x, y):
    """Where a pixel of the photo is on the screen."""
    box = page.locator(".overlay").bounding_box()
    return box["x"] + (x + 0.5) / W * box["width"], box["y"] + (y + 0.5) / H * box["height"]


def press(page, x, y, *keys):
    for key in keys:
        page.keyboard.down(key)
    page.mouse.click(*at(page, x, y))
    for key in keys:
        page.keyboard.up(key)


def drag(page, start, end, *keys):
    """Drag on the photo, in its pixels."""
    page.mouse.move(*at(page, *start))
    for key in keys:
        page.keyboard.down(key)
    page.mouse.down()
    middle = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
    page.mouse.move(*at(page, *middle))
    page.mouse.move(*at(page, *end))
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)


def pull(page, name, dx, dy, *keys):
    """Drag a handle by so many pixels of the photo."""
    box = page.locator(f'[data-handle="{name}"] .touch').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    zoom = page.locator(".overlay").bounding_box()["width"] / W
    page.mouse.move(x, y)
    for key in keys:
        page.keyboard.down(key)
    page.mouse.down()
    page.mouse.move(x + dx * zoom / 2, y + dy * zoom / 2)
    page.mouse.move(x + dx * zoom, y + dy * zoom)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)


def wait(what, timeout=20.0):
    """Wait until something holds."""
    end = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


def words(studio, part=0):
    parts = studio.desk.document.parts
    return parts[part].motion if len(parts) > part else None


def selection(studio, part=0):
    parts = studio.desk.document.parts
    return parts[part].selection if len(parts) > part else None


def boxed(page, studio, corners=((20, 30), (60, 80))):
    """Select a rectangle with the mouse, and go on with the moving tool."""
    page.keyboard.press("r")
    count = len(studio.desk.document.parts)
    drag(page, *corners)
    wait(lambda: len(studio.desk.document.parts) == count + 1)
    page.wait_for_selector(f'[data-part="{count}"]')
    page.keyboard.press("v")


def typed(page, text, part=0, name="motion"):
    field = page.locator(f'[data-part="{part}"] [name="{name}"]')
    field.fill(text)
    field.press("Enter")


def canvas(page):
    width, height, data = page.evaluate(READ)
    return np.frombuffer(uploads.decoded(data, "canvas"), np.uint8).reshape(height, width, 4)[
        ..., :3
    ]


def test_a_box_is_selected_and_dragged(page, studio):
    boxed(page, studio)
    assert selection(studio) == "rectangle 20,30 60,80"
    drag(page, (40, 50), (70, 45))
    wait(lambda: words(studio) == "translate dx=30 dy=-5")
    field = page.locator('[name="motion"]')
    wait(lambda: field.input_value() == "translate dx=30 dy=-5")
    assert page.locator(".warnings li").count() == 0


def test_a_click_selects_adds_and_takes_away(page, studio):
    page.keyboard.press("c")
    began = time.monotonic()
    press(page, 50, 60)
    page.wait_for_selector("[data-part]")
    assert time.monotonic() - began < 2  # half a second on a machine of its own
    page.wait_for_selector(".rough", state="detached")
    press(page, 115, 55, "Shift")
    wait(lambda: selection(studio) == "click 50,60 115,55")
    page.wait_for_selector(".rough", state="detached")
    press(page, 105, 45, "Alt")
    wait(lambda: selection(studio) == "click 50,60 115,55 not 105,45")
    page.wait_for_selector(".rough", state="detached")


def test_a_lasso_is_closed_at_its_first_corner(page, studio):
    page.keyboard.press("p")
    for place in ((20, 20), (70, 25), (50, 80), (20, 20)):
        press(page, *place)
    wait(lambda: selection(studio) == "polygon 20,20 70,25 50,80")


def test_brush_and_eraser_paint_a_mask(page, studio):
    page.keyboard.press("b")
    drag(page, (30, 30), (80, 30))
    wait(lambda: len(studio.desk.document.parts) == 1)
    first = selection(studio)
    page.wait_for_selector("[data-part]")
    page.keyboard.press("e")
    drag(page, (70, 30), (90, 30))
    wait(lambda: selection(studio) != first)
    mask = np.asarray(Image.open(studio.desk.folder / selection(studio))) > 0
    assert mask[30, 40]
    assert not mask[30, 80]
    assert len(studio.desk.document.parts) == 1


def test_a_mask_picture_and_everything_are_selections(page, studio):
    mask = np.zeros((H, W), np.uint8)
    mask[20:50, 20:70] = 255
    page.locator('input[aria-label="Mask…"]').set_input_files(
        {"name": "mask.png", "mimeType": "image/png", "buffer": uploads.png(mask)}
    )
    wait(lambda: (selection(studio) or "").startswith("mask-"))
    page.wait_for_selector("[data-part]")
    page.click('[data-tool="everything"]')
    wait(lambda: selection(studio, 1) == "everything")


HANDLES = [
    ("nw", (-20, -25), "scale factor=2"),
    ("se", (10, 12.5), "scale factor=1.5"),
    ("e", (10, 3), "stretch x=1.5 y=1"),
    ("n", (3, -12.5), "stretch x=1 y=1.5"),
]


@pytest.mark.parametrize(("name", "by", "said"), HANDLES)
def test_handles_write_words(page, studio, name, by, said):
    boxed(page, studio)
    pull(page, name, *by)
    wait(lambda: bool(words(studio)))
    kind, *numbers = re.split(r"[ =]", said)
    found = re.split(r"[ =]", words(studio))
    assert found[0] == kind
    for one, other in zip(numbers, found[1:], strict=True):
        if one[0].isdigit():
            assert float(one) == pytest.approx(float(other), abs=0.03)


def test_the_outer_handle_turns_and_the_pivot_moves(page, studio):
    boxed(page, studio)
    pull(page, "rotate", 30, 12)
    wait(lambda: (words(studio) or "").startswith("rotate degrees=-"))
    before = studio.desk.flow()[0]
    page.wait_for_selector('[data-handle="pivot"]')
    time.sleep(0.3)
    pull(page, "pivot", 15, 10)
    wait(lambda: "cx=" in words(studio))
    assert np.abs(studio.desk.flow()[0] - before).max() < 0.5


def test_a_corner_with_control_makes_a_homography(page, studio):
    boxed(page, studio)
    pull(page, "ne", 10, -5, "Control")
    wait(lambda: (words(studio) or "").startswith("homography"))


def test_grow_bend_and_points_are_modes(page, studio):
    boxed(page, studio)
    for mode, key, said in (("grow", "3", "grow factor="), ("bend", "4", "bend degrees=")):
        page.keyboard.press(key)
        page.wait_for_selector('[data-handle="tip"]')
        page.wait_for_selector(f'[data-mode="{mode}"][aria-pressed="true"]')
        time.sleep(0.3)
        pull(page, "tip", 12, -12)
        wait(lambda said=said: (words(studio) or "").startswith(said))
        page.click('[data-action="undo"]')
        wait(lambda: words(studio) == "")
    page.keyboard.press("5")
    page.wait_for_selector('[data-mode="points"][aria-pressed="true"]')
    wait(lambda: page.locator('[data-handle="tip"]').count() == 0)
    for i, place in enumerate([(30, 40), (50, 40), (40, 70)]):
        press(page, *place)
        page.wait_for_selector(f'[data-handle="point-{i}"]')
    pull(page, "point-2", 8, 6)
    wait(lambda: words(studio).endswith("to=30,40/50,40/48,76"))
    page.focus('[data-handle="point-0"]')
    page.keyboard.press("Delete")
    wait(lambda: words(studio) == "drag from=50,40/40,70 to=50,40/48,76")


def test_typed_words_move_the_handles_and_faults_are_told_beside_the_field(page, studio):
    boxed(page, studio)
    before = page.locator('[data-handle="nw"] .touch').bounding_box()
    typed(page, "translate dx=40")
    wait(lambda: words(studio) == "translate dx=40")
    zoom = page.locator(".overlay").bounding_box()["width"] / W

    def moved():
        return page.locator('[data-handle="nw"] .touch').bounding_box()["x"] - before["x"]

    wait(lambda: abs(moved() - 40 * zoom) < 1)
    typed(page, "fly dx=40")
    fault = page.locator('[data-part="0"] [data-fault="motion"]')
    wait(lambda: "unknown motion 'fly'" in fault.inner_text())
    assert words(studio) == "translate dx=40"
    typed(page, "translate dx=-50")
    wait(lambda: words(studio) == "translate dx=-50")
    page.wait_for_selector(".outline.leaving")
    assert "leaves the picture" in page.locator(".warnings").inner_text()
    typed(page, "drag from=25,35/55,35/40,75/40,50 to=25,35/55,35/40,75/40,90")
    page.wait_for_selector(".folds", state="attached")
    assert "folds over" in page.locator(".warnings").inner_text()


def test_undo_redo_and_reload(page, studio):
    boxed(page, studio)
    typed(page, "rotate degrees=20")
    wait(lambda: words(studio) == "rotate degrees=20")
    page.focus(".stage")
    page.keyboard.press("Control+z")
    wait(lambda: words(studio) == "")
    page.keyboard.press("Control+Shift+z")
    wait(lambda: words(studio) == "rotate degrees=20")
    page.reload()
    page.wait_for_selector('[data-part="0"]')
    assert page.locator('[name="motion"]').input_value() == "rotate degrees=20"
    assert page.locator('[data-action="undo"]').is_enabled()


def test_parts_are_reordered_and_removed(page, studio):
    boxed(page, studio)
    boxed(page, studio, ((95, 35), (135, 75)))
    page.locator('[data-part="0"] [data-action="raise"]').click()
    wait(lambda: selection(studio) == "rectangle 95,35 135,75")
    page.locator('[data-part="0"] [data-action="remove"]').click()
    wait(
        lambda: [part.selection for part in studio.desk.document.parts] == ["rectangle 20,30 60,80"]
    )


def test_keys_alone_select_move_turn_and_run(page, studio):
    page.focus(".stage")
    page.keyboard.press("r")
    page.keyboard.press("Enter")  # the middle, (80, 60)
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Enter")
    wait(lambda: selection(studio) == "rectangle 80,60 50,30")
    page.wait_for_selector("[data-part]")
    page.keyboard.press("v")
    page.keyboard.down("Shift")
    page.keyboard.press("ArrowRight")
    page.keyboard.up("Shift")
    wait(lambda: words(studio) == "translate dx=10 dy=0")
    page.wait_for_selector('[data-handle="rotate"]')
    labels = page.locator("[data-handle]").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert all(labels)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.handle") == "rotate":
            break
    for _ in range(5):
        page.keyboard.down("ArrowRight")
    page.keyboard.up("ArrowRight")
    wait(lambda: words(studio) == "rotate degrees=-5; translate dx=10 dy=0")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector('[data-status="done"] [aria-pressed="true"]')
    assert "flow found is 0.25 px off" in page.locator("[role=status]").inner_text()
    page.keyboard.press("Escape")
    page.wait_for_selector(".result-bar", state="hidden")
    page.keyboard.press("Delete")
    wait(lambda: studio.desk.document.parts == ())


def test_a_run_is_shown_compared_and_taken_away(page, studio):
    boxed(page, studio)
    typed(page, "translate dx=50")
    wait(lambda: words(studio) == "translate dx=50")
    page.click('[data-action="run"]')
    page.wait_for_selector(".result-bar:not([hidden])")
    number = studio.desk.answer({"type": "state"})["jobs"][-1]["number"]
    made = np.asarray(Image.open(studio.desk.folder / "results" / str(number) / "edited.png"))
    page.locator(".compare input").fill("0")
    wait(lambda: np.abs(canvas(page)[:, 2:].astype(int) - made[:, 2:]).max() == 0)
    page.locator(".compare input").fill("50")
    wait(lambda: np.array_equal(canvas(page)[:, : W // 2 - 2], photo()[:, : W // 2 - 2]))
    page.focus(".stage")
    page.keyboard.down("o")
    wait(lambda: np.array_equal(canvas(page), photo()))
    page.keyboard.up("o")
    with page.expect_download() as download:
        page.click('[data-take="picture"]')
    content = download.value.path().read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), made)
    page.click('[data-take="command"]')
    command = page.locator("dialog[open] textarea").input_value()
    assert shlex.split(command)[2] == "experiments.edit"
    assert "--motion=translate dx=50" in shlex.split(command)
    page.keyboard.press("Escape")
    assert page.is_disabled('[data-take="film"]')
    page.locator(".result-bar select").select_option("asked")
    page.click('[data-action="back"]')


def test_a_run_is_cancelled_and_nothing_is_lost_on_reload(page, studio):
    boxed(page, studio)
    typed(page, "translate dx=50")
    wait(lambda: words(studio) == "translate dx=50")
    page.locator("[name=seed]").fill(str(stub.LONG))
    page.locator("[name=seed]").press("Enter")
    wait(lambda: studio.desk.document.seed == stub.LONG)
    page.click('[data-action="run"]')
    page.wait_for_selector('[data-status="running"]')
    page.reload()
    page.wait_for_selector('[data-status="running"] progress[value]')
    assert " of 400" in page.locator('[data-status="running"]').inner_text()
    page.click('[data-action="cancel"]')
    page.wait_for_selector('[data-status="running"]', state="detached")
    assert page.locator(".jobs > li").first.get_attribute("data-status") == "cancelled"


def test_an_answer_that_comes_after_the_end_does_not_undo_it(page, studio):
    boxed(page, studio)
    typed(page, "translate dx=50")
    wait(lambda: words(studio) == "translate dx=50")
    page.locator("[name=seed]").fill(str(stub.LONG))
    page.locator("[name=seed]").press("Enter")
    wait(lambda: studio.desk.document.seed == stub.LONG)
    page.click('[data-action="run"]')
    page.wait_for_selector('[data-status="running"]')
    answered = []

    def late(route):
        answer = route.fetch()
        if '"cancel"' in route.request.post_data:
            page.wait_for_selector('.jobs > :first-child[data-status="cancelled"]')
            answered.append(answer.json()["jobs"][-1]["status"])
        route.fulfill(response=answer)

    page.route("**/api/message", late)
    with page.expect_response(lambda got: '"cancel"' in (got.request.post_data or "")):
        page.click('[data-action="cancel"]')
    page.wait_for_timeout(500)
    assert answered == ["running"]
    page.unroute_all(behavior="ignoreErrors")
    assert page.locator(".jobs > li").first.get_attribute("data-status") == "cancelled"


def test_the_canvas_is_the_librarys_preview_within_four_levels(page, studio):
    boxed(page, studio, ((25, 35), (75, 85)))
    typed(page, "rotate degrees=25; translate dx=60")
    wait(lambda: words(studio) == "rotate degrees=25; translate dx=60")
    flow, order = studio.desk.flow()
    wanted = mg_jax.preview(photo(), flow, order).astype(int)

    def off():
        return np.abs(canvas(page) - wanted).mean()

    wait(lambda: off() <= 4)
    page.wait_for_selector(".stage[data-composed]")
    wait(lambda: off() == 0)


def test_a_large_picture_is_drawn_in_time(page, studio):
    large = np.kron(photo()[:102], np.ones((10, 10, 1), np.uint8))[:1024, :1536]
    studio.desk.open(uploads.png(large), "large.png")
    page.reload()
    page.wait_for_selector(".frame:not([hidden])")
    page.keyboard.press("r")
    box = page.locator(".overlay").bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"])
    page.mouse.up()
    page.wait_for_selector("[data-part]")
    typed(page, "rotate degrees=10; translate dx=60")
    wait(lambda: words(studio) == "rotate degrees=10; translate dx=60")
    took = page.evaluate(
        """async () => {
            const { studio } = document.getElementById("studio");
            const times = [];
            for (let i = 0; i < 7; i++) {
                const began = performance.now();
                studio.meshPixels(true);
                studio.canvas.getContext("2d").putImageData(studio.out, 0, 0);
                times.push(performance.now() - began);
            }
            return Math.min(...times);
        }"""
    )
    assert took <= 50


def test_the_motion_is_played_by_degrees(page, studio):
    boxed(page, studio)
    typed(page, "translate dx=50")
    page.wait_for_selector('[data-action="run"]:enabled')
    page.click('[data-action="play"]')
    wait(lambda: page.locator("[role=status]").inner_text() == "Played.")


def test_a_session_is_saved_and_opened_again(page, studio):
    boxed(page, studio)
    with page.expect_download() as download:
        page.click('[data-action="session"]')
    saved = download.value.path().read_bytes()
    page.locator('[data-part="0"] [data-action="remove"]').click()
    wait(lambda: studio.desk.document.parts == ())
    page.locator('input[aria-label="Open session"]').set_input_files(
        {"name": "session.zip", "mimeType": "application/zip", "buffer": saved}
    )
    wait(lambda: selection(studio) == "rectangle 20,30 60,80")


def test_touch_drags_as_a_mouse_does(browser, studio):
    studio.desk.open(uploads.png(photo()), "cup.png")
    context = browser.new_context(viewport={"width": 420, "height": 860}, has_touch=True)
    page = context.new_page()
    page.goto(studio.address)
    page.wait_for_selector(".frame:not([hidden])")
    page.tap('[data-tool="polygon"]')
    for place in ((20, 20), (70, 25), (50, 80), (20, 20)):
        page.touchscreen.tap(*at(page, *place))
    wait(lambda: selection(studio) == "polygon 20,20 70,25 50,80")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 420  # nothing beside the screen
    context.close()


def test_without_the_token_nothing_is_shown(browser, studio):
    context = browser.new_context()
    page = context.new_page()
    page.goto(studio.address.split("#")[0])
    wait(lambda: "token: missing or wrong" in page.locator("[role=status]").inner_text())
    context.close()
