"""One guided denoising step, as in the paper's algorithm 1 and the reference's sampler.

At each noise level, `recursions` times: put the source back outside the edit region, predict the
noise ε, estimate the clean image, compute the energy of its motion, and step with ε + guidance,
where

    guidance = clip(weight · ramp · √(1−ᾱ) · ∇_z Σ energy)

Between recursions the latent is re-noised to the level it came from (recursive denoising).

Two options save time, and are not in the paper: several recursions may share a gradient, and the
denoiser may be wrapped in `without_gradient`, so that gradients do not go through it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped

from mg_jax.noise import Draw
from mg_jax.types import (
    Decoder,
    Denoiser,
    Edit,
    Energy,
    Info,
    Latent,
    Noise,
    PerSample,
    Problem,
    Schedule,
    SourceAt,
    State,
)


class Kernel(NamedTuple):
    """A pair of pure functions, to be composed and jitted by the caller."""

    init: Callable[[Latent], State]
    step: Callable[[Any, State, Schedule, Problem], tuple[State, Info]]


def norm_of_sample(guidance: Latent) -> PerSample:
    """‖guidance‖₂ of each sample."""
    return jnp.sqrt(jnp.sum(jnp.square(guidance), axis=(1, 2, 3)))


def norm_of_batch(guidance: Latent) -> PerSample:
    """‖guidance‖₂ of all samples together, which the reference clips; the same for each sample."""
    return jnp.broadcast_to(jnp.sqrt(jnp.sum(jnp.square(guidance))), guidance.shape[:1])


class _Slope(NamedTuple):
    """The energy of a latent's clean image, and its gradient in the latent."""

    gradient: Latent
    energies: PerSample
    terms: Any  # as the energy returns them


def without_gradient(denoise: Denoiser) -> Denoiser:
    """Return the same denoiser, but without gradients through it.

    The derivative of the one-step estimate by z is then just 1/√ᾱ, as in MPGD (He et al. 2024);
    the denoiser no longer changes the gradient's direction.
    """

    def held(params: Any, z: Latent, level: Schedule, prompt: Any) -> Latent:
        return jax.lax.stop_gradient(denoise(params, z, level, prompt))

    return held


def build(
    denoise: Denoiser,
    decode: Decoder,
    energy: Energy,
    source_at: SourceAt,
    noise: Noise,
    recursions: int,
    norm_of: Callable[[Latent], PerSample] = norm_of_sample,
    gradient_every: int = 1,
) -> Kernel:
    """Build a kernel whose `step(randomness, state, level, problem)` does one level.

    `norm_of` is the norm that is clipped: `norm_of_sample`, with which samples are independent, or
    the reference's `norm_of_batch`. Each `gradient_every` successive recursions of a level share
    the energy and gradient of the first of them. Computed in the latent's dtype; `randomness` is
    passed to `noise`.

    Raises:
        ValueError: `recursions` or `gradient_every` is below 1; or, from `step`, latents are no
            batch of floats, or masks or source do not fit them.
    """
    for name, count in (("recursions", recursions), ("gradient_every", gradient_every)):
        if count < 1:
            raise ValueError(f"{name}: {count}; expected at least 1")

    def guided(z: Latent, level: Schedule, problem: Problem) -> tuple[Latent, Latent, _Slope]:
        params, target = problem.params, problem.edit.target

        def total(z: Latent) -> tuple[Float[Array, ""], tuple[Latent, Latent, PerSample, Any]]:
            eps = denoise(params.denoiser, z, level, problem.prompt)
            clean = one_step_estimate(z, eps, level.alpha)
            energies, terms = energy(params.flow, target, decode(params.decoder, clean), level)
            return jnp.sum(energies), (eps, clean, energies, terms)

        gradient, (eps, clean, energies, terms) = jax.grad(total, has_aux=True)(z)
        return eps, clean, _Slope(gradient, energies, terms)

    def unguided(z: Latent, level: Schedule, problem: Problem) -> tuple[Latent, Latent]:
        eps = denoise(problem.params.denoiser, z, level, problem.prompt)
        return eps, one_step_estimate(z, eps, level.alpha)

    def step(
        randomness: Any, state: State, level: Schedule, problem: Problem
    ) -> tuple[State, Info]:
        shape = state.z.shape
        _check(state.z, problem.edit)
        strength = problem.strengths.guidance_weight * level.ramp * jnp.sqrt(1.0 - level.alpha)

        def slope_of(
            index: Int[Array, ""], z: Latent, last: _Slope | None
        ) -> tuple[Latent, Latent, _Slope]:
            if last is None:  # a gradient for each recursion, as in the paper, needs no branch
                return guided(z, level, problem)
            result: tuple[Latent, Latent, _Slope] = jax.lax.cond(
                index % gradient_every == 0,
                lambda: guided(z, level, problem),
                lambda: (*unguided(z, level, problem), last),
            )
            return result

        def recursion(
            carry: tuple[Latent, Latent, _Slope | None], index: Int[Array, ""]
        ) -> tuple[tuple[Latent, Latent, _Slope | None], tuple[PerSample, Any, PerSample, Latent]]:
            z, _, last = carry
            steps = state.steps + index
            source = source_at(
                problem.edit, level, lambda: noise(randomness, steps, Draw.SOURCE, shape)
            )
            if source.shape != shape:
                raise ValueError(f"source: {source.shape} at a level, expected {shape}")
            z = jnp.where(problem.edit.keep, source, z)
            eps, clean, slope = slope_of(index, z, last)
            guidance = problem.edit.guidance_mask * _spread(strength) * slope.gradient
            norm = norm_of(guidance)
            eps = eps + guidance * _spread(shrink(norm, problem.strengths.clip))
            cleaner = ddim(z, eps, level)
            again = renoise(cleaner, noise(randomness, steps, Draw.RENOISE, shape), level)
            kept = None if last is None else slope
            return (again, cleaner, kept), (slope.energies, slope.terms, norm, clean)

        first = None
        if gradient_every > 1:  # zeros of the shapes that `guided` returns
            _, _, form = jax.eval_shape(guided, state.z, level, problem)
            first = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), form)
        (_, z, _), (energies, terms, norms, clean) = jax.lax.scan(
            recursion,
            (state.z, jnp.zeros_like(state.z), first),
            jnp.arange(recursions, dtype=jnp.int32),
        )
        return State(z, state.steps + recursions), Info(energies, terms, norms, clean[-1])

    return Kernel(init, step)


def init(z: Latent) -> State:
    """Return the state before the first level, from a latent with that level's noise."""
    return State(z, jnp.zeros((), jnp.int32))


def one_step_estimate(z: Latent, eps: Latent, alpha: Float[Array, ""]) -> Latent:
    """The clean latent that `z` and its noise imply: (z − √(1−ᾱ)·ε) / √ᾱ."""
    return (z - jnp.sqrt(1.0 - alpha) * eps) / jnp.sqrt(alpha)


def ddim(z: Latent, eps: Latent, level: Schedule) -> Latent:
    """Deterministic DDIM step to the next cleaner level (Song et al. 2021, equation 12, η = 0)."""
    clean = one_step_estimate(z, eps, level.alpha)
    return jnp.sqrt(level.alpha_prev) * clean + jnp.sqrt(1.0 - level.alpha_prev) * eps


def renoise(cleaner: Latent, noise: Latent, level: Schedule) -> Latent:
    """Add noise up to the level that `cleaner` came from: √β·z + √(1−β)·noise, β = ᾱ / ᾱ_prev."""
    beta = level.alpha / level.alpha_prev
    return jnp.sqrt(beta) * cleaner + jnp.sqrt(1.0 - beta) * noise


def shrink(norm: PerSample, largest: PerSample) -> PerSample:
    """Factor that brings a norm down to `largest`; 1 where it is not larger."""
    return jnp.where(norm > largest, largest / jnp.maximum(norm, 1e-30), 1.0)


def noised_source(edit: Edit, level: Schedule, draw: Callable[[], Latent]) -> Latent:
    """The source with fresh noise of this level; `edit.source` is its clean latent.

    Raises:
        ValueError: it is no batch of latents.
    """
    if edit.source.ndim != 4:
        raise ValueError(f"source: shape {edit.source.shape}; expected (batch, h, w, channels)")
    return jnp.sqrt(level.alpha) * edit.source + jnp.sqrt(1.0 - level.alpha) * draw()


def stored_source(edit: Edit, level: Schedule, _draw: Callable[[], Latent]) -> Latent:
    """The source at this level, from its stored trajectory; `edit.source` is [levels b h w c].

    NaN at levels that the trajectory lacks.
    """
    return edit.source.at[level.position].get(mode="fill")


def _check(z: Shaped[Array, "..."], edit: Edit) -> None:
    """Refuse shapes that broadcasting would silently misread."""
    if z.ndim != 4 or not jnp.issubdtype(z.dtype, jnp.floating):
        raise ValueError(f"z: {z.dtype} {z.shape}; expected floats (batch, h, w, channels)")
    for name, mask in (("keep", edit.keep), ("guidance_mask", edit.guidance_mask)):
        if mask.ndim != 4 or mask.shape[1:3] != z.shape[1:3]:
            raise ValueError(
                f"{name}: shape {mask.shape}; expected (batch, {z.shape[1]}, {z.shape[2]}, 1), as z"
            )


def _spread(values: PerSample) -> Float[Array, "b 1 1 1"]:
    return values[:, None, None, None]
