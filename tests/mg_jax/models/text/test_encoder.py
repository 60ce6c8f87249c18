"""The text encoder: laws, then numbers that transformers 5.23.0 gave for the same weights.

The parity suite compares all states, at the full sizes too.
"""

import dataclasses
from functools import cache
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mg_jax.models.stable_diffusion.config import TINY, V1
from mg_jax.models.text.config import TextConfig
from mg_jax.models.text.encoder import TextEncoder

TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, 512, (3, 77)))


def weights(shapes: nnx.State) -> nnx.State:
    """Normal numbers by each parameter's path, of a size that lets every layer count."""
    drawn = []
    for path, variable in nnx.to_flat_state(shapes):
        name = ".".join(map(str, path))
        rng = np.random.default_rng(crc32(name.encode()))
        value = rng.standard_normal(variable.shape, np.float32)
        if name.endswith("kernel"):
            value *= np.float32(1.5 / np.sqrt(variable.shape[0]))
        elif not name.endswith("embedding"):
            value = np.float32(0.2) * value + np.float32(name.endswith("scale"))
        drawn.append((path, variable.replace(jnp.asarray(value))))
    return nnx.from_flat_state(drawn)


class Compiled:
    """An encoder as a pure, compiled function of its parameters and tokens."""

    def __init__(self, config: TextConfig, dtype):
        graph, fresh = nnx.split(TextEncoder(config, dtype=dtype, rngs=nnx.Rngs(0)))
        self.fresh = fresh
        self.params = weights(fresh)
        self.plain = lambda params, tokens: nnx.merge(graph, params)(tokens)
        self.apply = jax.jit(self.plain)

    def __call__(self, tokens) -> np.ndarray:
        return np.asarray(self.apply(self.params, tokens))


@cache
def tiny(activation: str = "quick_gelu", dtype=jnp.float32) -> Compiled:
    return Compiled(dataclasses.replace(TINY.text, activation=activation), dtype)


# Laws


@pytest.mark.parametrize("j", [0, 1, 40, 76])
def test_a_token_changes_nothing_before_it(j):
    changed = TOKENS.at[0, j].set((TOKENS[0, j] + 1) % 512)
    before, after = tiny()(TOKENS), tiny()(changed)
    np.testing.assert_array_equal(after[0, :j], before[0, :j])
    assert (np.abs(after[0, j:] - before[0, j:]).max(-1) > 1e-4).all()


def test_samples_do_not_see_each_other():
    together = tiny()(TOKENS)
    np.testing.assert_array_equal(tiny()(TOKENS[::-1]), together[::-1])
    np.testing.assert_allclose(tiny()(TOKENS[1:2]), together[1:2], rtol=0, atol=1e-5)


def test_a_beginning_alone_is_encoded_as_in_the_whole():
    np.testing.assert_allclose(tiny()(TOKENS[:, :10]), tiny()(TOKENS)[:, :10], rtol=0, atol=1e-5)


def test_equal_tokens_in_other_places_differ():
    states = tiny()(jnp.full((1, 77), 7))[0]
    distance = np.abs(states[:, None] - states[None]).max(-1)
    assert (distance[~np.eye(77, dtype=bool)] > 1e-2).all()


def test_states_are_normalised_under_unit_scale_and_no_bias():
    states = np.asarray(tiny().apply(tiny().fresh, TOKENS))
    np.testing.assert_allclose(states.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(states.std(-1), 1, atol=1e-3)


def test_the_result_repeats_and_compiling_does_not_change_it():
    first = tiny()(TOKENS)
    np.testing.assert_array_equal(tiny()(TOKENS), first)
    np.testing.assert_allclose(tiny().plain(tiny().params, TOKENS), first, rtol=0, atol=1e-5)


def test_compute_in_bfloat16_leaves_parameters_and_states_in_float32():
    half = tiny(dtype=jnp.bfloat16)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(half.fresh)} == {"float32"}
    difference = half(TOKENS) - tiny()(TOKENS)
    assert half(TOKENS).dtype == np.float32
    assert 1e-4 < np.sqrt(np.square(difference).mean()) < 0.05


def test_layer_norms_are_computed_in_float32():
    # In bfloat16 a mean this large would leave nothing of the differences.
    half = tiny(dtype=jnp.bfloat16)
    shifted = nnx.from_flat_state(
        [
            (
                path,
                value.replace(value.get_value() + 1000) if "position_embedding" in path else value,
            )
            for path, value in nnx.to_flat_state(half.params)
        ]
    )
    assert np.abs(np.asarray(half.apply(shifted, TOKENS)) - half(TOKENS)).max() < 0.2


def test_too_many_tokens():
    with pytest.raises(ValueError, match="got 78 tokens; expected 77 at most"):
        tiny()(jnp.zeros((1, 78), int))


def test_a_token_outside_the_vocabulary_is_not_hidden():
    states = tiny()(TOKENS.at[0, 40].set(512))
    assert np.isnan(states[0]).all()
    assert np.isfinite(states[1:]).all()


# Names


def test_parameters_are_named_as_in_checkpoints():
    shapes = jax.eval_shape(lambda: TextEncoder(V1.text, dtype=jnp.float32, rngs=nnx.Rngs(0)))
    found = {
        ".".join(map(str, path)): variable.shape
        for path, variable in nnx.to_flat_state(nnx.state(shapes))
    }
    expected = {
        "embeddings.token_embedding.embedding": (49408, 768),
        "embeddings.position_embedding.embedding": (77, 768),
    }
    for norm in (
        "final_layer_norm",
        *(f"encoder.layers.{i}.layer_norm{k}" for i in range(12) for k in (1, 2)),
    ):
        expected |= {f"{norm}.scale": (768,), f"{norm}.bias": (768,)}
    for i in range(12):
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear = f"encoder.layers.{i}.self_attn.{name}"
            expected |= {f"{linear}.kernel": (768, 768), f"{linear}.bias": (768,)}
        for name, (inputs, outputs) in {"fc1": (768, 3072), "fc2": (3072, 768)}.items():
            linear = f"encoder.layers.{i}.mlp.{name}"
            expected |= {f"{linear}.kernel": (inputs, outputs), f"{linear}.bias": (outputs,)}
    assert found == expected
    assert sum(np.prod(shape) for shape in found.values()) == 123_060_480


# Numbers

# States of each sample at places 0, 38 and 76, channel 5.
THEIRS = {
    "quick_gelu": [
        [-1.811266, 1.550551, 0.459453],
        [-1.561065, 0.862860, 0.867818],
        [-0.143043, 1.005099, 1.444668],
    ],
    "gelu": [
        [-1.813648, 1.551426, 0.458642],
        [-1.553833, 0.859029, 0.867362],
        [-0.142244, 1.003092, 1.424684],
    ],
}


@pytest.mark.parametrize("activation", THEIRS)
def test_states_of_transformers(activation):
    states = tiny(activation)(TOKENS)
    np.testing.assert_allclose(states[:, [0, 38, 76], 5], THEIRS[activation], rtol=0, atol=2e-5)
