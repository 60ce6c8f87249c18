"""Settings: the paper's defaults, every range kept."""

import dataclasses
import math

import pytest

from mg_jax.models.stable_diffusion.settings import Settings, reference

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
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in OUT_OF_RANGE.items() for value in values]
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: '?{value}'?; expected [^\n]*$"):
        Settings(**{name: value})


def test_every_setting_but_switches_has_a_range():
    names = {f.name for f in dataclasses.fields(Settings) if f.type is not bool}
    assert names == set(OUT_OF_RANGE)


def test_the_defaults_are_the_papers():
    settings = Settings()
    assert (settings.size, settings.steps, settings.recursions) == (512, 500, 10)
    assert (settings.guidance_weight, settings.color_weight, settings.flow_weight) == (300, 100, 3)
    assert (settings.clip, settings.cfg_scale, settings.dtype) == (200, 7.5, "float32")
    assert settings.occlusion_masking
    assert not settings.oracle_flow


def test_the_reference_differs_in_named_settings_only():
    ours, theirs = dataclasses.asdict(Settings()), dataclasses.asdict(reference())
    assert {name: theirs[name] for name in ours if ours[name] != theirs[name]} == {
        "source": "noised",
        "inversion_iterations": 1,
        "clip_over": "batch",
        "flow_statistics": "batch",
        "finish": "decoded",
    }
