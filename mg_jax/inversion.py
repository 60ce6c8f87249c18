"""Turn a real photo into noise, and back: DDIM inversion and null-text optimisation.

DDIM without noise (Song et al. 2021) is a differential equation, so it can be run towards noise:
the step from a level's cleaner neighbour x to the level itself,

    z = √ᾱ · (x − √(1−ᾱ_prev)·ε) / √ᾱ_prev + √(1−ᾱ)·ε,

is exactly undone by `kernel.ddim` if ε is the noise that the denoiser predicts at z. As z is not
known yet, the first guess takes the noise predicted at x, with the level's own time, as the
reference's inversion does. Predicting it again at the guess, several times, converges to z itself
(a fixed point; Pan et al. 2023).

The reference's inversion stores the same latents, one per level, but cleanest first, while its
sampler reads them noisiest first; here everything is noisiest first.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from mg_jax.kernel import ddim
from mg_jax.prompting import Prompt
from mg_jax.schedule import TRAIN_LEVELS
from mg_jax.types import Denoiser, Latent, PerSample, Schedule

Embedding = Float[Array, "b n d"]


class NullText(NamedTuple):
    """The result of null-text optimisation."""

    unconditional: Float[Array, "levels b n d"]  # text embeddings, for `per_level`
    latent: Latent  # the end of guided sampling with them, near the clean latent


def invert(
    denoise: Denoiser, params: Any, clean: Latent, schedule: Schedule, prompt: Any, iterations: int
) -> Float[Array, "levels b h w c"]:
    """DDIM inversion: return the latent at each level of the schedule, noisiest first.

    `clean` is the latent below the last level, at its `alpha_prev`. Each level evaluates the
    denoiser `iterations` times: 1 is plain DDIM inversion, more come closer to a trajectory that
    `sample` follows back. A run may be split: invert the cleaner levels first, then the noisier
    ones with the first row of that result as `clean`.

    Raises:
        ValueError: fewer than 1 iteration.
    """
    if iterations < 1:
        raise ValueError(f"iterations: {iterations}; expected at least 1")

    def climb(cleaner: Latent, level: Schedule) -> tuple[Latent, Latent]:
        upwards = level._replace(alpha=level.alpha_prev, alpha_prev=level.alpha)

        def refine(_: Any, guess: Latent) -> Latent:
            return ddim(cleaner, denoise(params, guess, level, prompt), upwards)

        z: Latent = jax.lax.fori_loop(0, iterations, refine, cleaner)
        return z, z

    _, trajectory = jax.lax.scan(climb, clean, schedule, reverse=True)
    return trajectory


def sample(
    denoise: Denoiser, params: Any, start: Latent, schedule: Schedule, prompt: Any
) -> Latent:
    """Run DDIM without guidance from `start`, a latent at the first level, to the clean latent."""

    def descend(z: Latent, level: Schedule) -> tuple[Latent, None]:
        return ddim(z, denoise(params, z, level, prompt), level), None

    clean, _ = jax.lax.scan(descend, start, schedule)
    return clean


def per_level(denoise: Denoiser) -> Denoiser:
    """Return a denoiser whose `Prompt` has one `unconditional` per level: leaves [levels b ...].

    `denoise` takes a `Prompt`, as that of `prompting.classifier_free` does. Its result is NaN at
    levels that the prompt lacks.
    """

    def at_level(params: Any, z: Latent, level: Schedule, prompt: Prompt) -> Latent:
        own = jax.tree.map(
            lambda leaf: leaf.at[level.position].get(mode="fill"), prompt.unconditional
        )
        return denoise(params, z, level, prompt._replace(unconditional=own))

    return at_level


class _Try(NamedTuple):
    """An embedding tried at a level, and the latent that its step leads to."""

    embedding: Embedding
    latent: Latent
    error: PerSample  # mean squared difference to the goal


def null_text(
    denoise: Denoiser,
    params: Any,
    trajectory: Float[Array, "levels b h w c"],
    clean: Latent,
    schedule: Schedule,
    prompt: Prompt,
    iterations: int,
    learning_rate: float | Float[Array, ""],
) -> NullText:
    """Optimise unconditional embeddings so that guided sampling follows a trajectory.

    Null-text inversion (Mokady et al. 2023): classifier-free guidance amplifies the small errors of
    an inversion without it. At each level, noisiest first, `iterations` steps of Adam bring the
    guided step near the trajectory's next row, at the last level near `clean`. A level starts from
    the embedding of the level before, the first from `prompt.unconditional`; of all embeddings
    tried at a level the best for each sample is kept. `learning_rate` falls to its half over the
    schedule, as in the paper. `denoise` is the plain denoiser, without guidance. A run may be
    split: give the second part the first's last embedding, and its latent as first row.

    Raises:
        ValueError: fewer than 1 iteration.
    """
    if iterations < 1:
        raise ValueError(f"iterations: {iterations}; expected at least 1")
    scale = prompt.scale[:, None, None, None]

    def follow(
        state: tuple[Latent, Embedding], row: tuple[Schedule, Latent]
    ) -> tuple[tuple[Latent, Embedding], Embedding]:
        (z, warm), (level, goal) = state, row
        adam = optax.adam(learning_rate * 0.5 * (1.0 + level.t / TRAIN_LEVELS))
        conditional = denoise(params, z, level, prompt.conditional)

        def attempt(embedding: Embedding) -> tuple[Float[Array, ""], _Try]:
            eps = denoise(params, z, level, embedding)
            latent = ddim(z, eps + scale * (conditional - eps), level)
            error = jnp.mean(jnp.square(latent - goal), axis=(1, 2, 3))
            return jnp.sum(error), _Try(embedding, latent, error)

        def improve(state: tuple[Embedding, Any, _Try], _: None) -> tuple[Any, None]:
            embedding, memory, best = state
            gradient, new = jax.grad(attempt, has_aux=True)(embedding)
            with jax.numpy_dtype_promotion("standard"):  # optax mixes its step count with floats
                updates, memory = adam.update(gradient, memory)
            return (embedding + updates, memory, _better(new, best)), None

        none = _Try(warm, z, jnp.full(z.shape[0], jnp.inf, z.dtype))
        (last, _, best), _ = jax.lax.scan(improve, (warm, adam.init(warm), none), length=iterations)
        best = _better(attempt(last)[1], best)
        return (best.latent, best.embedding), best.embedding

    goals = jnp.concatenate([trajectory[1:], clean[None]])
    start = trajectory[0], prompt.unconditional
    (latent, _), embeddings = jax.lax.scan(follow, start, (schedule, goals))
    return NullText(embeddings, latent)


def _better(new: _Try, old: _Try) -> _Try:
    """Pick for each sample the try with the smaller error."""
    wins = new.error < old.error

    def pick(new: Array, old: Array) -> Array:
        return jnp.where(jnp.reshape(wins, (-1,) + (1,) * (new.ndim - 1)), new, old)

    chosen: _Try = jax.tree.map(pick, new, old)
    return chosen
