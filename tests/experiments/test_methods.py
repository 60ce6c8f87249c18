"""Methods by name: each is its own, and says what it depends on."""

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

import mg_jax
from experiments import methods
from mg_jax.cases import Case
from mg_jax.interfaces import ModelResult

H, W = 128, 160
RNG = np.random.default_rng(0)
SETTINGS = mg_jax.PatchSettings(size=256, steps=4, recursions=2)
KNOWN = methods.known(SETTINGS)


def case():
    flow = np.zeros((H, W, 2), np.float32)
    flow[40:80, 40:80] = (16, 0)
    source = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
    return Case("one", source, flow, None, None, "a cup")


def test_all_names_are_known():
    assert set(KNOWN) == {*methods.COMPARED, *methods.ABLATIONS, *methods.VARIANTS}


def test_methods_are_chosen_in_their_order_each_once():
    names = ["pixels", "nothing", "pixels", "no_guidance"]
    assert list(methods.chosen(names, KNOWN)) == ["pixels", "nothing", "no_guidance"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("magic", "--methods: 'magic' unknown; expected of patch, nothing, "),
        ("stable_diffusion", "--methods: stable_diffusion without --model; expected"),
    ],
)
def test_other_names_are_refused(name, line):
    with pytest.raises(ValueError, match=line):
        methods.chosen(["nothing", name], KNOWN)


def test_no_name_is_refused():
    with pytest.raises(ValueError, match="--methods: none given; expected some of patch, "):
        methods.chosen([], KNOWN)


def test_no_two_methods_are_the_same():
    settings = [method.settings for method in KNOWN.values()]
    assert all(one not in settings[:i] for i, one in enumerate(settings))


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("no_flow_loss", "flow_weight", 0.0),
        ("no_color_loss", "color_weight", 0.0),
        ("no_occlusion_mask", "occlusion_masking", False),
        ("no_recursion", "recursions", 1),
        ("no_guidance", "guidance_weight", 0.0),
        ("no_fine_stage", "stages", 1),
    ],
)
def test_an_ablation_is_ours_with_one_setting_changed(name, setting, value):
    assert KNOWN[name].settings == {**KNOWN["patch"].settings, setting: value}
    assert KNOWN["patch"].settings[setting] != value


def test_methods_that_read_settings_tell_them():
    other = methods.known(dataclasses.replace(SETTINGS, steps=5))
    changed = {name for name in KNOWN if KNOWN[name].settings != other[name].settings}
    assert set(KNOWN) - changed == set(methods.PLAIN)


def test_an_edit_gets_the_case_and_a_prompt_only_where_it_is_read(monkeypatch):
    seen = []

    class Result:
        image = np.zeros((H, W, 3), np.uint8)

    def request(image, flow, prompt, model, seed, *, order, settings):
        seen.append((image, flow, prompt, model, seed, order, settings))

    monkeypatch.setattr(methods.api, "request", request)
    monkeypatch.setattr(methods.api, "run", lambda _request, progress: Result)  # noqa: ARG005
    diffusion = mg_jax.StableDiffusionSettings(steps=3)
    layers = np.ones((H, W), np.int32)
    one = replace(case(), order=layers)
    KNOWN["patch"].edit(one, 5)
    methods.stable_diffusion("folder", diffusion).edit(one, 6)
    assert [call[2:] for call in seen] == [
        ("", "patch", 5, layers, SETTINGS),
        ("a cup", "folder", 6, None, diffusion),
    ]
    for call in seen:
        np.testing.assert_array_equal(call[0], one.source)
        np.testing.assert_array_equal(call[1], one.flow)


def test_without_an_edit_mask_everything_may_change(monkeypatch):
    seen = []

    def edit(photo, _motion, region, _raft, keys, settings, ramp):
        seen.append((region, keys.size, settings, ramp.size))
        yield from ()
        return ModelResult(photo[None], region, np.zeros((1, 0, 0, 0), np.float32))

    monkeypatch.setattr(methods.coarse_to_fine, "edit", edit)
    KNOWN["no_edit_mask"].edit(case(), 0)
    ((region, samples, settings, levels),) = seen
    assert region.all()
    assert (samples, settings, levels) == (1, SETTINGS, SETTINGS.steps)


def test_cheap_methods_are_what_they_are_called():
    one = case()
    landed = np.zeros((H, W), bool)
    landed[40:80, 56:96] = True
    holes = np.zeros((H, W), bool)
    holes[40:80, 40:56] = True
    np.testing.assert_array_equal(KNOWN["nothing"].edit(one, 0), one.source)
    preview = KNOWN["layered_warp"].edit(one, 0)
    np.testing.assert_array_equal(preview, mg_jax.preview(one.source, one.flow))
    warped = KNOWN["forward_warp"].edit(one, 0)
    np.testing.assert_array_equal(warped[landed], np.roll(one.source, 16, 1)[landed])
    np.testing.assert_array_equal(warped[holes], one.source[holes])
    filled = KNOWN["forward_warp_fill"].edit(one, 0)
    np.testing.assert_array_equal(filled[~holes], warped[~holes])
    assert (filled != warped)[holes].any()
