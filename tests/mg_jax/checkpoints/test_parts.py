"""Arrays find their parameters by name and shape; what may differ between files is accepted."""

import re

import numpy as np
import pytest

from mg_jax.checkpoints import parts
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.parts import Part
from mg_jax.models.stable_diffusion import checkpoint
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.layouts import diffusers_unet

from ..models.stable_diffusion import published


@pytest.fixture(scope="module")
def params():
    return checkpoint.shapes(TINY).unet


@pytest.fixture
def stored(params):
    """Every array of a UNet, none of which can be read."""

    def never():
        pytest.fail("an array was read")

    named = {path: np.broadcast_to(0.0, one.shape) for path, one in parts.paths(params).items()}
    shapes = {diffusers_unet(p)[0]: published.theirs(p, a).shape for p, a in named.items()}
    return {name: Stored(shape, "float32", never) for name, shape in shapes.items()}


def faults(arrays, params):
    return parts.match(Part(arrays, diffusers_unet), params)[1]


def test_each_parameter_is_led_to_one_array(stored, params):
    names, wrong = parts.match(Part(stored, diffusers_unet), params)
    assert wrong == []
    assert names.keys() == parts.paths(params).keys()
    assert set(names.values()) == set(stored)


def test_a_linear_layer_may_be_a_convolution_of_one_pixel_but_not_the_other_way(stored, params):
    name = "mid_block.attentions.0.proj_in.weight"
    linear = stored[name]
    assert faults(stored | {name: linear._replace(shape=(*linear.shape, 1, 1))}, params) == []
    assert faults(stored | {name: linear._replace(shape=(*linear.shape, 3, 3))}, params) == [
        f"{name}: shape (64, 64, 3, 3), expected (64, 64)"
    ]
    name = "mid_block.resnets.0.conv1.weight"
    flat = stored[name]._replace(shape=stored[name].shape[:2])
    assert faults(stored | {name: flat}, params) == [
        f"{name}: shape (64, 64), expected (64, 64, 3, 3)"
    ]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "float8_e5m2"])
def test_every_float_is_accepted(stored, params, dtype):
    assert faults({n: one._replace(dtype=dtype) for n, one in stored.items()}, params) == []


def test_other_numbers_are_refused(stored, params):
    coarse = stored | {"conv_in.bias": stored["conv_in.bias"]._replace(dtype="I8")}
    assert faults(coarse, params) == ["conv_in.bias: holds I8, expected floats"]


@pytest.mark.parametrize(("inside", "refused"), [(None, True), ("extra", True), ("conv_in", False)])
def test_an_array_without_a_parameter_is_left_out_but_where_it_would_change_one(
    stored, params, inside, refused
):
    given = stored | {"extra.bias": stored["conv_in.bias"]}
    part = Part(given, diffusers_unet, inside if inside is None else re.compile(inside))
    assert parts.match(part, params)[1] == ["extra.bias: no parameter has this name"] * refused
    assert parts.left_out(part, params) == ["extra.bias"] * (not refused)
