"""StableDiffusionSettings: the paper's defaults, every range kept."""

import dataclasses
import math

import pytest

from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings, fast, reference

OUT_OF_RANGE = {
    "size": [0, 64, 500, 2112],
    "steps": [0, 1000],
    "recursions": [0, 101],
    "guidance_weight": [-1.0, math.nan, math.inf],
    "color_weight": [-0.1, math.nan],
    "flow_weight": [-0.1, math.nan],
    "clip": [0.0, math.nan, math.inf],
    "cfg_scale": [-1.0, math.nan, math.inf],
    "dtype": ["float64", "half"],
    "source": ["photo", ""],
    "inversion_iterations": [0, 101],
    "null_text": [-1, 1001],
    "clip_over": ["both"],
    "flow_statistics": ["eval"],
    "finish": ["raw"],
    "warm_start": [-0.1, 0.95, math.nan],
    "guided_from": [-0.1, 0.95, math.nan],
    "guided_until": [0.0, -1.0, 1.1, math.nan],
    "gradient_every": [0, 101],
    "gradient_through": ["unet"],
    "remat": ["all"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in OUT_OF_RANGE.items() for value in values]
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: '?{value}'?; expected [^\n]*$"):
        StableDiffusionSettings(**{name: value})


def test_every_setting_but_switches_has_a_range():
    names = {f.name for f in dataclasses.fields(StableDiffusionSettings) if f.type is not bool}
    assert names == set(OUT_OF_RANGE)


def test_the_defaults_are_the_papers():
    settings = StableDiffusionSettings()
    assert (settings.steps, settings.recursions) == (500, 10)
    assert (settings.guidance_weight, settings.color_weight, settings.flow_weight) == (300, 100, 3)
    assert (settings.clip, settings.cfg_scale, settings.dtype) == (200, 7.5, "float32")
    assert settings.occlusion_masking
    assert not settings.oracle_flow


def test_the_size_is_the_models_own():
    assert StableDiffusionSettings().size is None
    with pytest.raises(ValueError, match=r"^size: left to the model"):
        _ = StableDiffusionSettings().working_size
    assert StableDiffusionSettings(size=768).working_size == 768


def test_the_reference_differs_in_named_settings_only():
    ours, theirs = dataclasses.asdict(StableDiffusionSettings()), dataclasses.asdict(reference())
    assert {name: theirs[name] for name in ours if ours[name] != theirs[name]} == {
        "source": "noised",
        "inversion_iterations": 1,
        "clip_over": "batch",
        "flow_statistics": "batch",
        "finish": "decoded",
    }


@pytest.mark.parametrize("name", ["warm_start", "guided_from"])
def test_some_levels_are_guided(name):
    with pytest.raises(ValueError, match=r"^guided_until: 0.5; expected more than warm_start and"):
        StableDiffusionSettings(guided_until=0.5, **{name: 0.5})


def test_the_fast_settings_are_a_tenth_of_the_levels():
    settings, paper = fast(), StableDiffusionSettings()
    assert paper.steps == 10 * settings.steps
    gradients = settings.steps * settings.guided_until * settings.recursions
    assert gradients / settings.gradient_every == 80
    assert settings.gradient_through == "estimate"
