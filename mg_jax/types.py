"""The types of guided sampling: its data, and the callables that it is composed of.

Axes: `b` samples, `h w c` the latent grid, `H W` the pixel grid of the energy, `levels` noise
levels (0 = noisiest), `k` recursions of one level. Images are NHWC float32 in [-1, 1].
Everything that changes from edit to edit is an array in `Problem`, which is an argument of the
compiled program; everything that shapes the program is a callable or an int, closed over.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float, Int

Latent = Float[Array, "b h w c"]
Image = Float[Array, "b H W 3"]
PerSample = Float[Array, " b"]


class Schedule(NamedTuple):
    """Noise levels, noisiest first; `Kernel.step` receives one row of it."""

    position: Int[Array, "*levels"]  # place in the whole schedule, from 0
    t: Float[Array, "*levels"]  # time in [0, 1000)
    alpha: Float[Array, "*levels"]  # ᾱ(t): share of signal variance at this level
    alpha_prev: Float[Array, "*levels"]  # ᾱ of the next cleaner level
    ramp: Float[Array, "*levels"]  # multiplies the guidance weight


class Target(NamedTuple):
    """What the energy compares the edited image with, on the energy's pixel grid."""

    source: Image  # x*, the image before the edit
    flow: Float[Array, "b H W 2"]  # f: where each source pixel goes, pixels (dx, dy)
    visible: Float[Array, "b H W 1"]  # m: 1 = takes part in the colour loss
    features: Any  # the flow network's features of `source`; constant, computed once
    flow_unit: PerSample  # one pixel of this grid, in the flow loss's units
    flow_weight: PerSample
    color_weight: PerSample


class Edit(NamedTuple):
    """One edit of each sample in the batch."""

    source: Float[Array, "*levels b h w c"]  # clean source latent, or its stored trajectory
    keep: Bool[Array, "b h w #c"]  # True = the source is kept here
    guidance_mask: Float[Array, "b h w 1"]  # 1 = guidance may act here, 0 = not
    target: Target


class Strengths(NamedTuple):
    """Strengths, one number per sample, so that one batch can be a sweep."""

    guidance_weight: PerSample
    clip: PerSample  # largest norm of the guidance of one sample


class Params(NamedTuple):
    """Weights of the three networks, each as its callable expects it."""

    denoiser: Any
    decoder: Any
    flow: Any


class Problem(NamedTuple):
    """All data of a run: weights, edit, strengths and prompt."""

    params: Params
    edit: Edit
    strengths: Strengths
    prompt: Any  # what the denoiser is conditioned on; () where it takes none


class State(NamedTuple):
    """The sampler between two levels."""

    z: Latent  # noisy latent
    steps: Int[Array, ""]  # recursions done since the start: the index of the next noise draw


class Terms(NamedTuple):
    """The energy's parts before weighting (paper, equations 4 and 5)."""

    flow: PerSample  # mean |F(x*, x) − f|, in units of `Target.flow_unit`
    color: PerSample  # mean |m · (x* − warp(x, F))|, images in [0, 1]


class Info(NamedTuple):
    """Record of one level, one row per recursion."""

    energy: Float[Array, "k b"]
    terms: Any  # the energy's terms, leaves [k b]
    guidance_norm: Float[Array, "k b"]  # ‖guidance‖₂ before clipping
    clean: Latent  # the last recursion's one-step estimate, before guidance


Denoiser = Callable[[Any, Latent, Schedule, Any], Latent]
"""(params, z, level, prompt) -> ε, the noise in `z`."""

Decoder = Callable[[Any, Latent], Image]
"""(params, clean latent) -> image at the energy's pixel grid."""

Energy = Callable[[Any, Target, Image, Schedule], tuple[PerSample, Any]]
"""(flow params, target, image, level) -> one number per sample [b], and its terms.

Terms are any pytree of arrays [b]; each leaf is recorded under its name. Samples must not interact.
The image is the estimate at this level, in [-1, 1], on the target's grid."""

Noise = Callable[[Any, Int[Array, ""], int, tuple[int, ...]], Latent]
"""(randomness, step, draw, shape) -> standard normal noise; a pure function of its arguments."""

SourceAt = Callable[[Edit, Schedule, Callable[[], Latent]], Latent]
"""(edit, level, draw noise) -> the source's latent at this level."""
