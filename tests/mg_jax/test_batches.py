"""Batches of edits: their arguments, and a model that does one after the other."""

import numpy as np
import pytest

import mg_jax

from .test_api import SETTINGS, flow, photo, stand_in

# The rim of the cup leaves the small picture.
pytestmark = pytest.mark.filterwarnings("ignore::mg_jax.EditWarning")


def asked(**changed):
    return {"image": photo(), "flow": flow(), "settings": SETTINGS, **changed}


def test_each_edit_has_a_result_in_order(monkeypatch):
    stand_in(monkeypatch)
    other = np.ascontiguousarray(photo()[:, ::-1])
    found = mg_jax.edit_batch([asked(seed=3), asked(image=other, flow=-flow())])
    assert [result.seed for result in found] == [3, 0]
    np.testing.assert_array_equal(found[0].source, photo())
    np.testing.assert_array_equal(found[1].source, other)
    assert [len(result.images) for result in found] == [1, 1]


def test_settings_are_for_all_edits_that_have_none(monkeypatch):
    stand_in(monkeypatch)
    own = mg_jax.PatchSettings(size=256, steps=5)
    found = mg_jax.edit_batch(
        [asked(settings=own), {"image": photo(), "flow": flow()}], settings=SETTINGS
    )
    assert [result.settings["steps"] for result in found] == [5, SETTINGS.steps]


@pytest.mark.parametrize(
    ("edits", "line"),
    [
        ([], "edits: none; expected one or more"),
        ([asked(), asked(flow=0 * flow())], "edits[1]: flow: zero everywhere; expected"),
        ([asked(prompt="a cup")], "edits[0]: prompt: the model patch reads none; expected none"),
        ([asked(steps=3)], "edits[0]: steps: unknown; expected some of image, flow, prompt, "),
        ([{"image": photo()}], "edits[0]: flow: missing; expected one"),
    ],
)
def test_bad_edits_are_named_in_one_line(edits, line):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its whole beginning is checked
        mg_jax.edit_batch(edits)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_devices_are_no_business_of_a_model_without_batches():
    with pytest.raises(ValueError, match=r"^devices: 2; expected none, as patch uses one an edit"):
        mg_jax.edit_batch([asked()], devices=2)
