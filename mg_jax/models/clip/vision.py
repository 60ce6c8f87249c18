"""CLIP's vision transformer: a picture to the state of the token that sees all of it.

Parameters are named as in transformers' checkpoints, less the leading `vision_model.`; there the
first norm is indeed called `pre_layrnorm`.
"""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from mg_jax.models.clip.config import VisionConfig
from mg_jax.models.stable_diffusion.attention import attend
from mg_jax.models.stable_diffusion.text import activate


class Embeddings(nnx.Module):
    """What each patch shows plus where it stands, after a token for the whole picture."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        window = (config.patch, config.patch)
        self.patch_embedding = nnx.Conv(
            3, config.width, window, strides=window, padding="VALID", use_bias=False, rngs=rngs
        )
        self.class_embedding = nnx.Param(jnp.zeros(config.width))
        self.position_embedding = nnx.Embed(config.tokens, config.width, rngs=rngs)

    def __call__(self, pixels: Float[Array, "b s s 3"]) -> Float[Array, "b n d"]:
        """Cut into patches, row by row."""
        patches: Array = self.patch_embedding(pixels)
        b, *_, d = patches.shape
        whole = jnp.broadcast_to(self.class_embedding.get_value(), (b, 1, d))
        tokens = jnp.concatenate([whole, patches.reshape(b, -1, d)], axis=1)
        positions: Array = self.position_embedding(jnp.arange(tokens.shape[1])[None])
        return tokens + positions


class Attention(nnx.Module):
    """Attention of every token to every token, with several heads."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        self.q_proj = nnx.Linear(config.width, config.width, rngs=rngs)
        self.k_proj = nnx.Linear(config.width, config.width, rngs=rngs)
        self.v_proj = nnx.Linear(config.width, config.width, rngs=rngs)
        self.out_proj = nnx.Linear(config.width, config.width, rngs=rngs)
        self.heads = config.heads

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Attend."""
        b, n, d = x.shape
        q, k, v = (
            project(x).reshape(b, n, self.heads, d // self.heads)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        out: Array = self.out_proj(attend(q, k, v).reshape(b, n, d))
        return out


class MLP(nnx.Module):
    """Two linear layers with the activation between them."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        self.fc1 = nnx.Linear(config.width, config.hidden, rngs=rngs)
        self.fc2 = nnx.Linear(config.hidden, config.width, rngs=rngs)
        self.activation = config.activation

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Transform each token by itself."""
        out: Array = self.fc2(activate(self.fc1(x), self.activation))
        return out


class Layer(nnx.Module):
    """Attention, then MLP, each on normalised tokens and added to what came in."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        self.layer_norm1 = _norm(config, rngs)
        self.self_attn = Attention(config, rngs=rngs)
        self.layer_norm2 = _norm(config, rngs)
        self.mlp = MLP(config, rngs=rngs)

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Refine the tokens."""
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nnx.Module):
    """The layers, one after the other."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        self.layers = nnx.List([Layer(config, rngs=rngs) for _ in range(config.layers)])

    def __call__(self, x: Float[Array, "b n d"]) -> Float[Array, "b n d"]:
        """Refine the tokens layer by layer."""
        for layer in self.layers:
            x = layer(x)
        return x


class VisionEncoder(nnx.Module):
    """Pictures to one state each; float32."""

    def __init__(self, config: VisionConfig, *, rngs: nnx.Rngs):
        self.embeddings = Embeddings(config, rngs=rngs)
        self.pre_layrnorm = _norm(config, rngs)
        self.encoder = Encoder(config, rngs=rngs)
        self.post_layernorm = _norm(config, rngs)

    def __call__(self, pixels: Float[Array, "b s s 3"]) -> Float[Array, "b d"]:
        """Last state of the first token, normalised. `s` is `config.size`, pixels as prepared."""
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        state: Array = self.post_layernorm(tokens[:, 0])
        return state


def _norm(config: VisionConfig, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Layer norm; the variance in two passes, as E[x²] − E[x]² cancels."""
    return nnx.LayerNorm(config.width, epsilon=1e-5, use_fast_variance=False, rngs=rngs)
