"""The text encoder against transformers' CLIPTextModel, with the same random weights, in float32.

The difference is the largest over all states, relative to the largest state.
"""

import dataclasses
from zlib import crc32

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from transformers import CLIPTextConfig, CLIPTextModel

from flows.nn import tracing
from mg_jax.models.stable_diffusion.config import TINY, V1, V2
from mg_jax.models.text.config import TextConfig
from mg_jax.models.text.encoder import TextEncoder

Arrays = dict[tuple[str | int, ...], np.ndarray]  # by path


def structure(config: TextConfig) -> tuple[nnx.GraphDef, nnx.State]:
    """An encoder without memory for its parameters."""
    return nnx.split(
        nnx.eval_shape(lambda: TextEncoder(config, dtype=jnp.float32, rngs=tracing.rngs()))
    )


def draw(config: TextConfig) -> Arrays:
    """Normal numbers by each parameter's path, of a size that lets every layer count."""
    drawn = {}
    for path, variable in nnx.to_flat_state(structure(config)[1]):
        name = ".".join(map(str, path))
        rng = np.random.default_rng(crc32(name.encode()))
        value = rng.standard_normal(variable.shape, np.float32)
        if name.endswith("kernel"):
            value *= np.float32(1.5 / np.sqrt(variable.shape[0]))
        elif not name.endswith("embedding"):
            value = np.float32(0.2) * value + np.float32(name.endswith("scale"))
        drawn[path] = value
    return drawn


def ours(config: TextConfig, arrays: Arrays, tokens: np.ndarray) -> np.ndarray:
    graph, shapes = structure(config)
    params = nnx.from_flat_state(
        [(path, one.replace(jnp.asarray(arrays[path]))) for path, one in nnx.to_flat_state(shapes)]
    )
    apply = jax.jit(lambda params, tokens: nnx.merge(graph, params)(tokens))
    return np.asarray(apply(params, jnp.asarray(tokens)))


def theirs(config: TextConfig, arrays: Arrays, tokens: np.ndarray) -> np.ndarray:
    described = CLIPTextConfig(
        vocab_size=config.vocabulary,
        hidden_size=config.width,
        intermediate_size=config.hidden,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        max_position_embeddings=config.length,
        hidden_act=config.activation,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    with torch.device("meta"):
        model = CLIPTextModel(described)
    state = {}
    for path, value in arrays.items():
        *module, leaf = map(str, path)
        name = ".".join([*module, "bias" if leaf == "bias" else "weight"])
        state[name] = torch.from_numpy(value.T if leaf == "kernel" else value)
    model.load_state_dict(state, strict=True, assign=True)
    model.embeddings.position_ids = torch.arange(config.length)[None]
    with torch.inference_mode():
        return model.eval()(torch.from_numpy(tokens)).last_hidden_state.numpy()


def difference(config: TextConfig) -> float:
    tokens = np.random.default_rng(0).integers(0, config.vocabulary, (2, config.length))
    arrays = draw(config)
    mine, other = ours(config, arrays, tokens), theirs(config, arrays, tokens)
    assert mine.dtype == other.dtype == np.float32
    return float(np.abs(mine - other).max() / np.abs(other).max())


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_tiny(activation):
    relative = difference(dataclasses.replace(TINY.text, activation=activation))
    print(f"tiny, {activation}: within {relative:.1e}")
    assert relative < 1e-5


@pytest.mark.parametrize(
    "config",
    [pytest.param(V1.text, id="v1"), pytest.param(V2.text, id="v2", marks=pytest.mark.slow)],
)
def test_full_size(config):
    relative = difference(config)
    print(f"{config.layers} layers, {config.activation}: within {relative:.1e}")
    assert relative < 1e-4
