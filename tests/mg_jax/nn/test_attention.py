"""Attention: the softmax mean, exactly, in any form, without a square to keep."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax.nn.attention import attend, blocked, cudnn, tpu
from mg_jax.nn.attention.dispatch import CPU_BLOCK as BLOCK

# queries, keys, heads, width of a head: Stable Diffusion's widths, and text of 77 tokens
SHAPES = [
    (64, 64, 2, 40),
    (30, 77, 2, 80),
    (16, 2 * BLOCK, 1, 160),
    (5, 2 * BLOCK + 3, 2, 8),
    (1, 1, 1, 4),
]


def draw(n, m, heads, d, b=2):
    rng = np.random.default_rng(0)
    shapes = ((b, n, heads, d), (b, m, heads, d), (b, m, heads, d), (b, n, heads, d))
    return [jnp.asarray(2 * rng.standard_normal(shape, np.float32)) for shape in shapes]


def formula(query, key, value):
    logits = jnp.einsum("bnhd,bmhd->bhnm", query, key) * query.shape[-1] ** -0.5
    return jnp.einsum("bhnm,bmhd->bnhd", jax.nn.softmax(logits), value)


def with_gradient(form, *inputs, slope):
    out, pull = jax.vjp(form, *inputs)
    return out, *pull(slope)


def relative(one, other):
    one, other = (np.asarray(x, np.float32) for x in (one, other))
    return np.linalg.norm(one - other) / np.linalg.norm(other)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_softmax_mean_and_has_its_gradient(shape):
    *inputs, slope = draw(*shape)
    expected = with_gradient(formula, *inputs, slope=slope)
    found = with_gradient(attend, *inputs, slope=slope)
    for one, other in zip(found, expected, strict=True):
        assert np.linalg.norm(one - other) <= 5e-6 * np.linalg.norm(other) + 1e-6


@pytest.mark.parametrize("block", [1, 77, 100, 1000])
def test_blocks_of_any_length_give_the_same(block):
    *inputs, slope = draw(20, 200, 2, 8)
    expected = with_gradient(formula, *inputs, slope=slope)
    found = with_gradient(partial(blocked.attend, block=block), *inputs, slope=slope)
    for one, other in zip(found, expected, strict=True):
        assert relative(one, other) <= 5e-6


@pytest.mark.parametrize(("dtype", "apart"), [("float32", 1e-6), ("bfloat16", 2**-8)])
def test_on_cpu_it_is_done_in_small_blocks(dtype, apart):
    in_blocks = partial(blocked.attend, block=BLOCK)
    with jax.default_device(jax.devices("cpu")[0]):
        *inputs, slope = (one.astype(dtype) for one in draw(256, 256, 2, 40))
        expected = jax.jit(partial(with_gradient, in_blocks))(*inputs, slope=slope)
        found = jax.jit(partial(with_gradient, attend))(*inputs, slope=slope)
    for one, other in zip(found, expected, strict=True):
        assert relative(one, other) <= apart


def test_equal_values_are_returned():
    query, key, _, _ = draw(20, BLOCK + 5, 2, 8)
    value = jnp.broadcast_to(jnp.arange(8.0), key.shape)
    np.testing.assert_allclose(
        attend(query, key, value), jnp.broadcast_to(value[:1, :1], query.shape), rtol=1e-6
    )


def test_the_order_of_keys_does_not_matter():
    query, key, value, _ = draw(9, 2 * BLOCK, 2, 8)
    order = np.random.default_rng(1).permutation(key.shape[1])
    np.testing.assert_allclose(
        attend(query, key[:, order], value[:, order]), attend(query, key, value), atol=5e-6
    )


def test_huge_logits_do_not_overflow():
    query, key, value, slope = draw(8, BLOCK + 1, 1, 8)
    found, pull = jax.vjp(attend, 100 * query, 100 * key, value)
    best = jnp.argmax(jnp.einsum("bnhd,bmhd->bhnm", query, key), axis=-1)
    expected = jnp.take_along_axis(value[:, :, 0], best[:, 0, :, None], axis=1)[:, :, None]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert all(jnp.isfinite(one).all() for one in pull(slope))


def test_nothing_of_the_size_of_a_square_is_kept_for_the_gradient():
    n = 8 * BLOCK
    *inputs, _ = draw(n, n, 1, 4, b=1)
    _, pull = jax.vjp(attend, *inputs)
    assert max(leaf.size for leaf in jax.tree.leaves(pull)) <= 4 * n


def test_half_precision_is_near_and_keeps_its_type():
    *inputs, slope = draw(32, BLOCK + 9, 2, 16)
    halves = [one.astype(jnp.bfloat16) for one in inputs]
    exact = [one.astype(jnp.float32) for one in halves]
    expected, pull_expected = jax.vjp(formula, *exact)
    found, pull = jax.vjp(attend, *halves)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), expected, atol=0.05)
    for one, other in zip(pull(slope.astype(jnp.bfloat16)), pull_expected(slope), strict=True):
        assert one.dtype == jnp.bfloat16
        np.testing.assert_allclose(one.astype(jnp.float32), other, atol=0.15)


# A head narrower than a register, one that is padded to two, and more than one block of each.
@pytest.mark.parametrize("shape", [(256, 128, 2, 40), (128, 256, 1, 160), (1024, 1024, 1, 8)])
def test_the_form_for_tpus_is_the_softmax_mean(shape):
    from jax.experimental.pallas import tpu as pallas

    *inputs, slope = (one.astype(jnp.bfloat16) for one in draw(*shape, b=1))
    assert tpu.suits(*inputs[:2])
    exact = [one.astype(jnp.float32) for one in inputs]
    expected = with_gradient(formula, *exact, slope=slope.astype(jnp.float32))
    with pallas.force_tpu_interpret_mode():
        found = with_gradient(tpu.attend, *inputs, slope=slope)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == jnp.bfloat16
        assert relative(one, other) <= 2**-7


def has_cudnn():
    return jax.default_backend() == "gpu" and cudnn._found()


# Stable Diffusion's grids and widths at 512 px, a grid that is no square, and the widest head taken
@pytest.mark.skipif(not has_cudnn(), reason="needs an NVIDIA GPU as JAX's default device")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    "shape",
    [(4096, 4096, 2, 40), (1024, 1024, 2, 80), (1120, 1120, 2, 64), (258, 256, 1, 128)],
)
def test_the_form_for_nvidia_gpus_is_the_softmax_mean(shape, dtype):
    *inputs, slope = (one.astype(dtype) for one in draw(*shape))
    assert cudnn.suits(*inputs[:2])
    exact = [one.astype(jnp.float32) for one in inputs]
    with jax.default_matmul_precision("highest"):
        expected = with_gradient(formula, *exact, slope=slope.astype(jnp.float32))
    program = jax.jit(partial(with_gradient, attend))
    assert "__cudnn$fmhaSoftmaxBackward" in program.lower(*inputs, slope=slope).as_text()
    found = program(*inputs, slope=slope)
    in_blocks = partial(blocked.attend, block=BLOCK)
    others = jax.jit(partial(with_gradient, in_blocks))(*inputs, slope=slope)
    for one, other, blocks in zip(found, expected, others, strict=True):
        assert one.dtype == dtype
        assert relative(one, other) <= 2**-6
        assert relative(one, other) <= 2 * relative(blocks, other)


@pytest.mark.skipif(not has_cudnn(), reason="needs an NVIDIA GPU as JAX's default device")
@pytest.mark.parametrize("shape", [(256, 256, 2, 160), (289, 289, 2, 64)])
def test_what_cudnn_does_not_take_is_done_in_blocks_on_gpus(shape):
    *inputs, slope = (one.astype(jnp.bfloat16) for one in draw(*shape))
    exact = [one.astype(jnp.float32) for one in inputs]
    with jax.default_matmul_precision("highest"):
        expected = with_gradient(formula, *exact, slope=slope.astype(jnp.float32))
    program = jax.jit(partial(with_gradient, attend))
    assert "__cudnn" not in program.lower(*inputs, slope=slope).as_text()
    for one, other in zip(program(*inputs, slope=slope), expected, strict=True):
        assert relative(one, other) <= 2**-6


@pytest.mark.parametrize(
    ("dtype", "n", "width", "by_cudnn", "by_tpu"),
    [
        ("bfloat16", 4096, 40, True, True),
        ("bfloat16", 1024, 80, True, True),
        ("bfloat16", 256, 160, False, True),  # too wide for cuDNN on all GPUs
        ("bfloat16", 4096, 512, False, True),
        ("bfloat16", 1120, 64, True, False),  # no multiple of a TPU's registers
        ("bfloat16", 289, 64, False, False),  # 2.x's innermost grid of a picture of 1088 px
        ("bfloat16", 4096, 36, False, True),
        ("float16", 4096, 64, True, False),
        ("float32", 4096, 64, False, False),
    ],
)
def test_what_the_fused_forms_take(monkeypatch, dtype, n, width, by_cudnn, by_tpu):
    monkeypatch.setattr(cudnn, "_found", lambda: True)
    x = jnp.zeros((1, n, 1, width), dtype)
    assert cudnn.suits(x, x) == by_cudnn
    assert tpu.suits(x, x) == by_tpu
