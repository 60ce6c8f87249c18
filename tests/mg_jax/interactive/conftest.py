"""A desk with a small photo of a cup, and the stub in place of the model."""

import base64
import threading
import time

import numpy as np
import pytest

from mg_jax.interactive import uploads
from mg_jax.interactive.desk import Desk

from . import stub

H, W = 120, 160


def photo():
    """A red disc about (50, 60) with radius 20, and a blue square, on a soft ground."""
    y, x = np.mgrid[:H, :W]
    pixels = np.stack([90 + x / 4, 110 + y / 4, 100 + 0 * x], axis=-1)
    pixels[np.hypot(x - 50, y - 60) <= 20] = [200, 40, 40]
    pixels[(x >= 100) & (x < 130) & (y >= 40) & (y < 70)] = [40, 60, 200]
    pixels += np.random.default_rng(0).normal(0, 2, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


class Told:
    """What a desk tells, for tests that wait for it."""

    def __init__(self):
        self.events, self._new = [], threading.Condition()

    def __call__(self, event):
        with self._new:
            self.events.append(event)
            self._new.notify_all()

    def wait(self, wanted, timeout=60):
        """The first event for which `wanted` holds."""
        end = time.monotonic() + timeout
        with self._new:
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                assert self._new.wait(end - time.monotonic()), self.events

    def status(self, number, *statuses, timeout=60):
        """Wait until a job has one of these states."""
        return self.wait(
            lambda event: (
                event["event"] == "job"
                and event["job"]["number"] == number
                and event["job"]["status"] in statuses
            ),
            timeout,
        )["job"]


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def desk(tmp_path, told):
    made = Desk(tmp_path / "session", told, edit=stub.edit, patience=0.5)
    yield made
    made.close()


def ask(desk, kind, **values):
    """A desk's reply, which is no error."""
    reply = desk.answer({"type": kind, **values})
    assert "error" not in reply, reply["error"]
    return reply


def opened(desk):
    return ask(desk, "open", name="cup.png", data=encoded(uploads.png(photo())))


def encoded(content):
    return base64.b64encode(content).decode()
