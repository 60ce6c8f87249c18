"""The widget's page in a real browser, between other things of a notebook."""

import time

import numpy as np
import pytest

from flows import motions, selections

from ...experiments.studio.conftest import browser  # noqa: F401 - a fixture
from .conftest import H, W, photo
from .test_widget import make, no_kernel  # noqa: F401 - fixtures

pytestmark = pytest.mark.long  # in a browser

NOTEBOOK = """<!doctype html>
<style>button { background: rgb(200, 0, 0) !important } .panel { display: none }</style>
<h1>A notebook</h1><p class="status">text</p><button>Its own</button>
<div id="one" style="width: 1000px"></div><div id="other" style="width: 500px"></div>
<script>
  // Stands for anywidget's model of a widget; `kernel` takes a message, and gives what is told.
  class Model {
    constructor(name, state) {
      Object.assign(this, { name, state, heard: [] });
      setInterval(() => this.turn(null), 100);
    }
    get(key) { return this.state[key]; }
    on(event, hear) { if (event === "msg:custom") this.heard.push(hear); }
    off(event, hear) { this.heard = this.heard.filter((one) => one !== hear); }
    send(content) { this.turn(content); }
    async turn(content) {
      for (const message of await kernel(this.name, content))
        for (const hear of this.heard) hear(message);
    }
  }
  const models = {}; // one for all views of a widget
  async function show(name, state) {
    const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
    const widget = (await import(url)).default;
    const model = (models[name] ??= new Model(name, state));
    const leave = await widget.render({ model, el: document.getElementById(name) });
    window[name + "Leave"] = () => { leave(); return model.heard.length; };
  }
</script>"""


@pytest.fixture
def widgets(make):  # noqa: F811
    return {"one": make(), "other": make()}


@pytest.fixture
def page(browser, widgets):  # noqa: F811
    """A page with two widgets; nothing may go wrong in it, or ask anywhere else."""
    told = dict.fromkeys(widgets, 0)

    def kernel(name, content):
        comm = widgets[name].comm
        if content:
            comm.send_up(content)
        first, told[name] = told[name], len(comm.sent)
        return comm.sent[first : told[name]]

    context = browser.new_context(viewport={"width": 1100, "height": 1700})
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults, asked = [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.expose_function("kernel", kernel)
    address = "http://127.0.0.1/notebook"
    page.route(address, lambda route: route.fulfill(body=NOTEBOOK, content_type="text/html"))
    page.goto(address)
    for name, widget in widgets.items():
        page.evaluate("([name, state]) => show(name, state)", [name, widget.get_state()])
        page.wait_for_selector(f"#{name} .frame:not([hidden])")
    yield page
    context.close()
    assert faults == []
    assert [url for url in asked if url != address and not url.startswith("blob:")] == []


def drag(page, start, end):
    """Drag on the first widget's photo, in its pixels."""
    box = page.locator("#one .overlay").bounding_box()
    places = [
        (box["x"] + (x + 0.5) / W * box["width"], box["y"] + (y + 0.5) / H * box["height"])
        for x, y in (start, end)
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*np.mean(places, axis=0))
    page.mouse.move(*places[1])
    page.mouse.up()


def wait(page, what):
    """Wait until something holds; meanwhile the page is answered."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, "did not happen in time"
        page.wait_for_timeout(20)


def test_the_attributes_follow_the_mouse_and_the_keys(page, widgets):
    one, other = widgets["one"], widgets["other"]
    page.locator("#one [data-tool=rectangle]").click()
    drag(page, (20, 30), (60, 80))
    wait(page, lambda: one.mask.any())
    page.wait_for_selector("#one [data-part]")
    page.keyboard.press("v")
    drag(page, (40, 50), (70, 45))
    wait(page, lambda: one.motion == "translate dx=30 dy=-5")
    mask = selections.select("rectangle 20,30 60,80", photo())
    np.testing.assert_array_equal(one.mask, mask)
    flow = motions.field(motions.parse("translate dx=30 dy=-5"), mask)
    np.testing.assert_array_equal(one.flow, flow)
    page.wait_for_selector("#one .stage[data-composed]", timeout=60_000)
    assert other.motion == ""
    assert page.locator("#other [data-part]").count() == 0
    page.keyboard.press("Control+z")
    wait(page, lambda: one.motion == "")
    assert not one.flow.any()
    page.locator("#one [name=motion]").fill("rotate degrees=20")
    page.locator("#one [name=motion]").press("Enter")
    wait(page, lambda: one.motion == "rotate degrees=20")


def test_an_edit_is_shown_and_its_result_kept(page, widgets):
    one = widgets["one"]
    one.comm.ask("select", tool="rectangle", how="new", points=[[20, 30], [60, 80]])
    drawn = {"part": 0, "words": "", "handle": "move", "x": 70, "y": 55, "done": True}
    one.comm.ask("drag", **drawn)
    page.evaluate("oneLeave()")
    page.evaluate("document.getElementById('one').replaceChildren()")
    page.evaluate("([name, state]) => show(name, state)", ["one", one.get_state()])
    page.wait_for_selector("#one [data-part]")  # another view of the same finds everything
    page.locator("#one [data-action=run]").click()
    page.wait_for_selector("#one [data-job][data-status=done]", timeout=60_000)
    page.wait_for_selector("#one .result-bar:not([hidden])")
    wait(page, lambda: one.result is not None)
    np.testing.assert_array_equal(one.result.flow, one.flow)
    assert widgets["other"].result is None


def test_notebook_and_widget_leave_each_other_alone(page):
    colour = "element => getComputedStyle(element).backgroundColor"
    assert page.locator("body > button").evaluate(colour) == "rgb(200, 0, 0)"
    assert page.locator("#one [data-action=keys]").evaluate(colour) != "rgb(200, 0, 0)"
    assert page.locator("#one .panel").is_visible()
    for name, value in (("margin-top", "16px"), ("color", "rgb(0, 0, 0)")):
        read = f"element => getComputedStyle(element).getPropertyValue('{name}')"
        assert page.locator("body > p").evaluate(read) == value
    assert page.evaluate("document.activeElement === document.body")  # no focus is taken
    page.keyboard.press("b")
    assert page.locator("#one .stage").get_attribute("data-tool") == "click"
    assert page.evaluate("[oneLeave(), otherLeave()]") == [0, 0]


def test_a_narrow_cell_has_the_narrow_form(page):
    one, other = (page.locator(f"#{name} .studio").bounding_box() for name in ("one", "other"))
    assert one["height"] == 680
    assert other["width"] == 500
    panel, stage = (page.locator(f"#other .{name}").bounding_box() for name in ("panel", "stage"))
    assert panel["y"] >= stage["y"] + stage["height"]


def test_a_kernel_that_does_not_answer_is_told(page, widgets, monkeypatch):
    monkeypatch.setattr(widgets["one"], "_answer", lambda _: None)
    page.locator("#one [data-tool=everything]").click()
    page.wait_for_selector("#one .status:has-text('Waiting for the notebook')")


def test_a_photo_that_no_server_takes_is_refused_here(page):
    content = {"name": "a.png", "mimeType": "image/png", "buffer": b"x" * (6 << 20)}
    page.locator("#one .bar input[type=file]").first.set_input_files(content)
    page.wait_for_selector("#one .status.bad:has-text('too large for a notebook')")
