"""A guided run that two programs can make alike: sizes, drawn weights, inputs, recorded noise.

Nothing is trained and nothing downloaded but RAFT: UNet and autoencoder have normal random
weights, drawn by each array's name in the original checkpoints, so that both programs draw the same
without a file. The picture is one that ships.
"""

import resource
from typing import NamedTuple
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float32, Float64
from PIL import Image

from mg_jax.schedule import stable_diffusion_alphas

_TOKENS = 77
_COARSE = 6  # grid of the source's latent before it is smoothly enlarged
_NOISE = 0.005  # of all noise, against what the schedule says
_LAST, _GAIN = "model.diffusion_model.out.2.", 0.003
FACTOR = 8  # pixels a side of one latent
DRAWS = 3  # noises of a repetition: source, DDIM, re-noising


class Sizes(NamedTuple):
    """Architecture, as both programs' configurations say it."""

    unet: tuple[int, ...]  # channels of each level
    attention: tuple[bool, ...]  # whether a level has transformers
    vae: tuple[int, ...]  # channels of each level
    context: int  # width of the text embeddings
    layers: int  # residual blocks of a level
    heads: int = 8


SIZES = {
    "tiny": Sizes((32, 64), (True, False), (32, 32, 32, 32), context=16, layers=1),
    "full": Sizes(
        (320, 640, 1280, 1280), (True, True, True, False), (128, 256, 512, 512), 768, layers=2
    ),
}


class Job(NamedTuple):
    """One run."""

    network_size: str  # of SIZES
    size: int  # pixels a side of the square picture
    levels: int
    recursions: int
    stored: bool  # whether the source's latents are given, not noised afresh
    flow_model: str
    guidance_weight: float = 300.0
    clip: float = 200.0
    color_weight: float = 100.0
    flow_weight: float = 3.0
    cfg_scale: float = 7.5
    seed: int = 0

    @property
    def evaluations(self) -> int:
        """How often the energy is evaluated."""
        return self.levels * self.recursions


def clip(size: int) -> float:
    """A bound on the push that grows as the norm of a latent does.

    It is far below the method's 200, where rounding decides: with drawn networks of tiny size and a
    clip of 0.64, our own run strays by 9e-3 if its start changes by 1e-6.
    """
    return 0.03 * size / 128


class Data(NamedTuple):
    """What the run is about, NHWC float32."""

    source: Float32[np.ndarray, "1 h w 4"]  # latent of the picture
    flow: Float32[np.ndarray, "H W 2"]
    keep: Bool[np.ndarray, "1 h w 1"]
    ramp: Float32[np.ndarray, " levels"]
    start: Float32[np.ndarray, "1 h w 4"]
    trajectory: Float32[np.ndarray, "levels 1 h w 4"]
    noise: Float32[np.ndarray, "evaluations draws 1 h w 4"]
    unconditional: Float32[np.ndarray, "1 tokens context"]
    conditional: Float32[np.ndarray, "1 tokens context"]


class Run(NamedTuple):
    """What came out."""

    final: Float32[np.ndarray, "1 h w 4"]  # latent
    begun: Float32[np.ndarray, "levels 1 h w 4"]  # latent before each level
    reached: Float32[np.ndarray, "levels 1 h w 4"]  # and after it; theirs is right where edited
    energy: Float64[np.ndarray, " evaluations"]
    push: Float64[np.ndarray, " evaluations"]  # norm after clipping
    seconds: Float64[np.ndarray, " _"]  # of one evaluation, compiled and warm
    memory: int  # bytes beyond those before the networks were built
    device: str


def data(job: Job) -> Data:
    """A square that moves before a ground that moves; all else is drawn from the seed.

    Where a picture is right already, its absolute differences have kinks, at which rounding decides
    about gradients: so hardly anything is at rest, and the trajectory is another picture's.
    """
    rng = np.random.default_rng(job.seed)
    side, grid = job.size, job.size // FACTOR
    flow = np.empty((side, side, 2), np.float32)
    flow[:] = -side / 24, side / 48
    flow[3 * side // 16 : 12 * side // 16, 3 * side // 16 : 12 * side // 16] = 0
    flow[3 * side // 16 : 10 * side // 16, 3 * side // 16 : 10 * side // 16] = side / 12, side / 24
    keep = np.ones((1, grid, grid, 1), bool)
    if job.stored:
        keep[:, grid // 8 : 7 * grid // 8, grid // 8 : 7 * grid // 8] = False
    else:  # little of what the drawn encoder makes, which decodes to another picture
        keep[:, :, grid // 16 :] = False

    def normal(*shape: int) -> Float32[np.ndarray, "..."]:
        return rng.standard_normal(shape, np.float32)

    source, other = (_smooth(normal(1, _COARSE, _COARSE, 4), grid) for _ in range(2))
    alphas = stable_diffusion_alphas()[np.arange(job.levels)[::-1] * 1000 // job.levels + 1]
    signal, noise = (np.sqrt(a, dtype=np.float32) for a in (alphas, _NOISE**2 * (1 - alphas)))
    trajectory = _each(signal) * (source + np.float32(0.3) * other) + _each(noise) * normal(
        job.levels, 1, grid, grid, 4
    )
    context = (1, _TOKENS, SIZES[job.network_size].context)
    return Data(
        source=source,
        flow=flow,
        keep=keep,
        ramp=np.linspace(0.5, 1.5, job.levels, dtype=np.float32),
        start=trajectory[0] + 0,
        trajectory=trajectory,
        noise=np.float32(_NOISE) * normal(job.evaluations, DRAWS, 1, grid, grid, 4),
        unconditional=normal(*context),
        conditional=normal(*context),
    )


def _smooth(coarse: Float32[np.ndarray, "1 n n 4"], grid: int) -> Float32[np.ndarray, "1 h w 4"]:
    bands = [
        np.asarray(
            Image.fromarray(coarse[0, ..., i]).resize((grid, grid), Image.Resampling.BICUBIC)
        )
        for i in range(4)
    ]
    return np.stack(bands, -1)[None]


def _each(values: Float32[np.ndarray, " levels"]) -> Float32[np.ndarray, "levels 1 1 1 1"]:
    return values[:, None, None, None, None]


def drawn(name: str, shape: tuple[int, ...]) -> Float32[np.ndarray, "..."]:
    """Values of an array of the original checkpoints, of a size that lets every layer count.

    Kernels keep the variance of what they multiply; norms scale by about 1. Only the UNet's last
    layer is small, so that its one-step estimates stay near the source, as a trained one's do.
    """
    value = np.random.default_rng(crc32(name.encode())).standard_normal(shape, np.float32)
    if len(shape) > 1:
        value *= np.float32(np.prod(shape[1:]) ** -0.5)
    else:
        value = np.float32(0.2) * value + np.float32(name.endswith("weight"))
    return value * np.float32(_GAIN) if name.startswith(_LAST) else value


def resident() -> int:
    """Most bytes that this process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Agreement(NamedTuple):
    """How far two runs are apart."""

    final: float  # norm of the final latents' difference, relative
    energy: float  # largest relative difference of the energies at one evaluation
    push: float  # the same of the pushes' norms
    clipped: float  # share of the evaluations whose push was clipped


def step_errors(found: Run, expected: Run, edited: Bool[np.ndarray, "1 h w 1"]) -> list[float]:
    """Relative differences of the latents after each level, in the edited region."""
    return [
        float(np.linalg.norm((ours - theirs) * edited) / np.linalg.norm(theirs * edited))
        for ours, theirs in zip(found.reached, expected.reached, strict=True)
    ]


def agreement(found: Run, expected: Run, clip: float) -> Agreement:
    """Compare a run with the one to be reproduced."""

    def apart(ours: Float64[np.ndarray, " n"], theirs: Float64[np.ndarray, " n"]) -> float:
        return float(np.max(np.abs(ours - theirs) / np.abs(theirs)))

    return Agreement(
        final=float(np.linalg.norm(found.final - expected.final) / np.linalg.norm(expected.final)),
        energy=apart(found.energy, expected.energy),
        push=apart(found.push, expected.push),
        clipped=float(np.mean(expected.push > 0.999 * clip)),
    )
