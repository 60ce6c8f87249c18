"""The ideal denoiser of the photo's own patches, in closed form (Kamb & Ganguli 2024).

For the noisy image z = √ᾱ·x + √(1−ᾱ)·n and its patch P_i(z) at pixel i, the mean of x(i) given
that patch, over all patches P_j(s) of the photo s with pixel s(j) at their centre:

    logit_ij = ( √ᾱ · P_i(z)·P_j(s) − ½ ᾱ |P_j(s)|² ) / (1 − ᾱ) + log p_i(j)
    x̂0(i)   = Σ_j softmax_j(logit_ij) · s(j)

The patches are those of the photo at rest, of its filled-in background and of what moves (see
`patch_sources`), and p_i(j) is the prior of an edit. What rests stays near its own place h_j:
log p = −|h_j − i|² / 2σ² − l_i, less likely where something lands (l_i). What moves may lie
anywhere: log p = −log N − a_i with N its number of patches, less likely the farther (a_i) from
where anything lands. Which of them lies where is left to the guidance.

Only the pixels of the edit region are computed, in tiles; all others are the photo's own.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mg_jax.models.patch.filtering import responses
from mg_jax.models.patch.posterior import Candidates, by_tile, posterior_mean
from mg_jax.types import Latent, Schedule


class PatchParams(NamedTuple):
    """The denoiser's "weights": one edit's patches, and the pixels that they are used for."""

    filters: Float[Array, "radii side side 3 d"]
    response: Float[Array, "radii d"]
    keys: Float[Array, "radii k d"]
    values: Float[Array, "k 3"]
    half_norms: Float[Array, "radii k"]
    moves: Bool[Array, " k"]  # patches of what moves, which may lie anywhere
    homes: Float[Array, "k 2"]  # (row, column) where each patch lies in its picture
    radius: Int[Array, " levels"]  # which of the radii each level uses
    source: Float[Array, "h w 3"]
    pixels: Int[Array, "tiles q 2"]  # (row, column) of the region; rows past the end are padding
    candidates: Candidates  # patches that each tile of pixels is compared with
    nearness: Float[Array, " k"]  # 1/σ², σ: deviation from its home in grid pixels; 0: anywhere
    prior: Float[Array, " k"]  # log-probability of each patch, independent of its place
    away: Float[Array, "tiles q"]  # subtracted there from the log-probability of what moves
    lands: Float[Array, "tiles q"]  # and from that of what rests


def denoise(params: PatchParams, z: Latent, level: Schedule, _prompt: Any) -> Latent:
    """Predict the noise ε by the patch denoiser; a `Denoiser`."""
    estimate = clean_estimate(params, z, level)
    return (z - jnp.sqrt(level.alpha) * estimate) / jnp.sqrt(1.0 - level.alpha)


def clean_estimate(params: PatchParams, z: Latent, level: Schedule) -> Latent:
    """x̂0: posterior mean in the region, the photo outside it; [b h w 3] in [-1, 1]."""
    queries = jax.vmap(lambda z: _queries(params, z, level))(z)
    means = posterior_mean(queries, _keys(params, level), params.values, params.candidates)
    rows, columns = params.pixels[..., 0], params.pixels[..., 1]

    def placed(mean: Float[Array, "tiles q 3"]) -> Float[Array, "h w 3"]:
        return params.source.at[rows, columns].set(mean, mode="drop")

    estimate: Array = jax.vmap(placed)(means)
    return estimate


def nearest(
    params: PatchParams, z: Latent, level: Schedule
) -> tuple[Int[Array, "b tiles q"], Float[Array, "b tiles q"]]:
    """Index of the likeliest patch for each pixel of the region, and its logit."""
    keys = _keys(params, level)

    def tile(chosen: Int[Array, " n"], queries: Float[Array, "b q d"]) -> Float[Array, "b q 2"]:
        likeness = jnp.matmul(queries, keys[chosen].T, precision=jax.lax.Precision.HIGHEST)
        # The first of the best, in two plain reductions: XLA's argmax is slow on CPU.
        most = jnp.max(likeness, axis=-1)
        order = jnp.arange(chosen.size, dtype=jnp.float32)
        best = jnp.min(jnp.where(likeness == most[..., None], order, order.size), axis=-1)
        return jnp.stack([best, most], axis=-1)

    queries = jax.vmap(lambda z: _queries(params, z, level))(z)
    matches = by_tile(tile, params.candidates, 2, queries)
    number = jnp.arange(params.pixels.shape[0], dtype=jnp.int32)[None, :, None]
    return params.candidates.keys[number, matches[..., 0].astype(jnp.int32)], matches[..., 1]


def logits(
    params: PatchParams, z: Latent, level: Schedule, keys: Int[Array, "tiles q"]
) -> Float[Array, "b tiles q"]:
    """Logit of one patch for each pixel of the region."""
    queries = jax.vmap(lambda z: _queries(params, z, level))(z)
    return jnp.sum(queries * _keys(params, level)[keys][None], axis=-1)


def _queries(
    params: PatchParams, z: Float[Array, "h w 3"], level: Schedule
) -> Float[Array, "tiles q D"]:
    """Noisy patches as library coordinates, then the factors of the last columns of `_keys`."""
    radius = params.radius[level.position]
    filters = params.filters[radius]
    reach = filters.shape[0] // 2
    padded = jnp.pad(z, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    features = responses(padded, filters)
    features = features.at[params.pixels[..., 0], params.pixels[..., 1]].get(mode="clip")
    features = features - jnp.sqrt(level.alpha) * params.response[radius][None, None]
    scale = jnp.sqrt(level.alpha) / (1.0 - level.alpha)
    ones = jnp.ones((*features.shape[:-1], 1), features.dtype)
    pixels = params.pixels.astype(features.dtype)
    return jnp.concatenate(
        [
            scale * features,
            -level.alpha / (1.0 - level.alpha) * ones,
            ones,
            -params.away[..., None],
            -params.lands[..., None],
            pixels,
            -0.5 * jnp.sum(jnp.square(pixels), axis=-1, keepdims=True),
        ],
        axis=-1,
    )


def _keys(params: PatchParams, level: Schedule) -> Float[Array, "k D"]:
    """Patches, half their squared norm, then the prior's terms: by patch, by kind, by place."""
    radius = params.radius[level.position]
    keys = params.keys[radius]
    nearness = params.nearness[:, None]
    square = jnp.sum(jnp.square(params.homes), axis=-1, keepdims=True)
    return jnp.concatenate(
        [
            keys,
            params.half_norms[radius][:, None],
            params.prior[:, None] - 0.5 * nearness * square,
            params.moves[:, None].astype(keys.dtype),
            1.0 - params.moves[:, None].astype(keys.dtype),
            nearness * params.homes,
            nearness,
        ],
        axis=-1,
    )
