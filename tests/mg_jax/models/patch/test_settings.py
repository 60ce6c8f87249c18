"""PatchSettings: every range is kept, every stage has room for its parts."""

import dataclasses
import math

import pytest

from mg_jax import schedule
from mg_jax.models.patch.settings import PatchSettings, stages

OUT_OF_RANGE = {
    "size": [0, -512, 192, 250, 300, 1088],
    "steps": [-1, 0, 3, 501],
    "recursions": [-1, 0, 101],
    "guidance_weight": [-1.0, math.nan, math.inf],
    "color_weight": [-0.1, math.nan, math.inf],
    "flow_weight": [-0.1, math.nan, math.inf],
    "clip": [0.0, -1.0, math.nan, math.inf],
    "gradient_every": [0, 101],
    "gradient_through": ["unet"],
    "stages": [-1, 0, 3],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in OUT_OF_RANGE.items() for value in values]
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: '?{value}'?; expected [^\n]*$"):
        PatchSettings(**{name: value})


def test_every_setting_but_switches_has_a_range():
    names = {f.name for f in dataclasses.fields(PatchSettings) if f.type is not bool}
    assert names == set(OUT_OF_RANGE)


@pytest.mark.parametrize(
    "values",
    [
        {"size": 256},
        {"size": 1024},
        {"steps": 4},
        {"steps": 500},
        {"recursions": 1},
        {"guidance_weight": 0.0},
        {"color_weight": 0.0, "flow_weight": 0.0},
        {"clip": 1e-9},
        {"stages": 1},
    ],
)
def test_the_ends_of_a_range_are_in_it(values):
    settings = PatchSettings(**values)
    assert all(getattr(settings, name) == value for name, value in values.items())


@pytest.mark.parametrize("steps", [*range(4, 30), 499, 500])
@pytest.mark.parametrize("recursions", [1, 4])
def test_stages_have_levels_for_all_their_parts(steps, recursions):
    coarse, fine = stages(PatchSettings(steps=steps, recursions=recursions))
    assert 0 <= coarse.blurred < coarse.levels - coarse.free <= coarse.levels
    assert schedule.even(coarse.levels, coarse.start).alpha.shape == (coarse.levels,)
    assert (coarse.levels, coarse.recursions) == (steps, recursions)
    assert fine.levels == 0  # nothing is sampled there


def test_the_fine_stage_may_be_left_out():
    coarse, _ = stages(PatchSettings())
    assert stages(PatchSettings(stages=1)) == (coarse,)


@pytest.mark.parametrize("size", range(256, 1025, 64))
def test_the_fine_grid_is_twice_the_coarse_and_both_see_one_size(size):
    coarse, fine = stages(PatchSettings(size=size))
    assert fine.grid == 2 * coarse.grid
    assert coarse.grid * coarse.zoom == fine.grid * fine.zoom
