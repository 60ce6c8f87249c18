"""A studio that is served, and a page of it in a headless Chromium."""

import os
import threading
from pathlib import Path

import pytest

from experiments.studio import serving
from experiments.studio.events import Events
from mg_jax.interactive import uploads
from mg_jax.interactive.desk import Desk

from ...mg_jax.interactive import stub
from ...mg_jax.interactive.conftest import photo

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser():
    """One browser for the module; without Chromium its tests are skipped here and fail in CI."""
    if not CHROMIUM.exists():
        if os.environ.get("CI_RUN") == "1":
            pytest.fail(f"{CHROMIUM}: not installed; expected it in CI")
        pytest.skip(f"{CHROMIUM}: not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


class Studio:
    """A studio on a port of this machine."""

    def __init__(self, folder):
        events = Events()
        self.desk = Desk(folder, events.tell, edit=stub.edit, patience=1.0)
        served = serving.prepare(self.desk, events, "secret")
        self.server, self.address = served.server, served.address
        self.thread = threading.Thread(
            target=lambda: served.server.run(sockets=[served.socket]), daemon=True
        )
        self.thread.start()

    def close(self):
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.desk.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory, browser):  # noqa: ARG001 - no server where there is no browser
    made = Studio(tmp_path_factory.mktemp("studio") / "session")
    yield made
    made.close()


@pytest.fixture
def page(browser, studio):
    """A page with a photo and no part; nothing may go wrong in it, or ask anywhere else."""
    studio.desk.open(uploads.png(photo()), "cup.png")
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.set_default_timeout(20_000)
    faults, asked = [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(studio.address)
    page.wait_for_selector(".frame:not([hidden])")
    yield page
    context.close()
    home = studio.address.split("#")[0]
    assert faults == []
    assert [url for url in asked if not url.startswith((home, "blob:"))] == []
