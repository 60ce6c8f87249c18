"""What is compiled for TPUs; the compiler itself (libtpu) is not needed here."""

import re

import jax
import pytest

from experiments.benchmarks import tpu_parts
from experiments.comparison import Job


@pytest.mark.parametrize("name", tpu_parts.PARTS)
def test_each_part_lowers_for_tpus_with_its_gradient(name):
    job = Job("tiny", 128, 2, 1, stored=True, flow_model="raft-small", precision="bfloat16")
    function, arguments = tpu_parts.part(name, job)
    with jax.numpy_dtype_promotion("standard"):  # as programs have it
        lowered = jax.jit(function).trace(*arguments).lower(lowering_platforms=("tpu",))
    assert len(re.findall(r"stablehlo\.(convolution|dot_general)", lowered.as_text())) > 10
    if name != "step":
        value, (gradient,) = lowered.out_info
        assert gradient.shape == arguments[0].shape
        assert value.shape[0] == 1
