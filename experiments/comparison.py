"""A guided run that two programs can make alike: sizes, drawn weights, inputs, recorded noise.

Nothing is trained and nothing downloaded but RAFT: UNet and autoencoder have normal random
weights, drawn by each array's name in the original checkpoints, so that both programs draw the same
without a file.

Guidance by drawn networks is chaotic, so that rounding, which two programs never share, soon is all
that is seen of float32. So agreement is asked in float64: level by level, each from the other's
latent, at the paper's strengths, and over a whole run with less (see `gentle`).
"""

import resource
from typing import Literal, NamedTuple
from zlib import crc32

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from mg_jax.models.stable_diffusion.config import TINY, Config, UNetConfig, VAEConfig
from mg_jax.noise import Draw
from mg_jax.schedule import stable_diffusion_alphas

_TOKENS = 77
_GENTLE = 1e-3
FACTOR = 8  # pixels a side of one latent


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


def architecture(sizes: Sizes) -> Config:
    """Networks of these sizes; the text encoder is not used."""
    heads = (sizes.heads,) * len(sizes.unet)
    return Config(
        UNetConfig(sizes.unet, heads, sizes.attention, sizes.context, layers=sizes.layers),
        VAEConfig(sizes.vae, layers=sizes.layers),
        TINY.text,
        prediction="epsilon",
    )


class Job(NamedTuple):
    """One run. The first level warms up: what is timed are the evaluations after it."""

    network_size: str  # of SIZES
    size: int  # pixels a side of the square picture
    levels: int
    recursions: int
    stored: bool  # whether the source's latents are given, not noised afresh
    flow_model: str
    precision: Literal["float32", "float64", "bfloat16"] = "float64"  # of the networks
    guidance_weight: float = 300.0
    clip: float = 200.0
    color_weight: float = 100.0
    flow_weight: float = 3.0
    cfg_scale: float = 7.5
    seed: int = 0
    batch: int = 1  # samples of the one edit, each with its own noise
    remat: Literal["blocks", "nothing"] = "blocks"  # what gradients recompute; not the reference's
    compiled: bool = False  # whether the well-done PyTorch is compiled
    tensorfloat: bool = False  # whether products of float32 on a GPU may be TensorFloat-32's

    @property
    def evaluations(self) -> int:
        """How often the energy is evaluated."""
        return self.levels * self.recursions

    @property
    def sampling(self) -> Literal["float32", "float64"]:
        """Precision of all but the networks."""
        return "float64" if self.precision == "float64" else "float32"

    @property
    def products(self) -> str:
        """What the networks multiply in: the precision, or tensorfloat32."""
        return "tensorfloat32" if self.tensorfloat else self.precision

    def multiplying(self, products: str) -> "Job":
        """The same job with networks that multiply in these products."""
        if products == "tensorfloat32":
            return self._replace(precision="float32", tensorfloat=True)
        return self._replace(precision=products, tensorfloat=False)  # type: ignore[arg-type]


class Data(NamedTuple):
    """What the run is about, NHWC, in the precision of its sampling; each sample starts alike."""

    source: Float[np.ndarray, "1 h w 4"]  # latent of the picture
    flow: Float[np.ndarray, "H W 2"]
    keep: Bool[np.ndarray, "1 h w 1"]
    ramp: Float[np.ndarray, " levels"]
    start: Float[np.ndarray, "1 h w 4"]
    trajectory: Float[np.ndarray, "levels 1 h w 4"]
    noise: Float[np.ndarray, "evaluations draws b h w 4"]
    unconditional: Float[np.ndarray, "1 tokens context"]
    conditional: Float[np.ndarray, "1 tokens context"]


class Run(NamedTuple):
    """What came out."""

    final: Float[np.ndarray, "b h w 4"]  # latent
    begun: Float[np.ndarray, "levels b h w 4"]  # latent before each level
    reached: Float[np.ndarray, "levels b h w 4"]  # and after it; theirs is right where edited
    energy: Float64[np.ndarray, " _"]  # of each sample at each evaluation
    push: Float64[np.ndarray, " _"]  # norm after clipping
    seconds: Float64[np.ndarray, " _"]  # of one evaluation of the batch, after the first level
    memory: int  # bytes at most: on a GPU in all, else beyond those before there were networks
    device: str
    program: str = ""  # versions of what ran, and whether it was compiled


def gentle(job: Job) -> Job:
    """The same run pushed a thousandth as far: guidance weight and clip are scaled alike.

    At the paper's strengths float64's rounding grows about a thousandfold at each of the first
    evaluations: the two energies were measured to differ by 7e-13, 4e-10, 3e-7, 7e-3, 0.26 of them.
    """
    return job._replace(guidance_weight=job.guidance_weight * _GENTLE, clip=job.clip * _GENTLE)


def data(job: Job) -> Data:
    """A square that moves before a ground at rest; all else is drawn from the seed.

    The square lies so that, at sizes that are multiples of 128, the reference's occlusion mask is
    ours in float64; see `flows.geometry.occlusion_mask`.
    """
    rng = np.random.default_rng(job.seed)
    side, grid = job.size, job.size // FACTOR

    def normal(*shape: int) -> Float[np.ndarray, "..."]:
        return rng.standard_normal(shape, np.float32).astype(job.sampling)

    flow = np.zeros((side, side, 2), job.sampling)
    flow[4 * side // 16 : 11 * side // 16, 4 * side // 16 : 11 * side // 16] = side / 12, side / 24
    keep = np.ones((1, grid, grid, 1), bool)
    keep[:, grid // 8 : 7 * grid // 8, grid // 8 : 7 * grid // 8] = False
    source = normal(1, grid, grid, 4)
    alphas = stable_diffusion_alphas()[np.arange(job.levels)[::-1] * 1000 // job.levels + 1]
    share = alphas.astype(job.sampling)[:, None, None, None, None]
    trajectory = np.sqrt(share) * source + np.sqrt(1 - share) * normal(1, grid, grid, 4)
    context = (1, _TOKENS, SIZES[job.network_size].context)
    return Data(
        source=source,
        flow=flow,
        keep=keep,
        ramp=np.linspace(0.5, 1.5, job.levels, dtype=job.sampling),
        start=trajectory[0] + 0,
        trajectory=trajectory,
        noise=normal(job.evaluations, len(Draw), job.batch, grid, grid, 4),
        unconditional=normal(*context),
        conditional=normal(*context),
    )


def drawn(name: str, shape: tuple[int, ...]) -> Float32[np.ndarray, "..."]:
    """Values of an array of the original checkpoints, of a size that lets every layer count.

    Kernels keep the variance of what they multiply; norms scale by about 1.
    """
    value = np.random.default_rng(crc32(name.encode())).standard_normal(shape, np.float32)
    if len(shape) > 1:
        value *= np.float32(np.prod(shape[1:]) ** -0.5)
    else:
        value = np.float32(0.2) * value + np.float32(name.endswith("weight"))
    return value


def resident() -> int:
    """Most bytes that this process held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Agreement(NamedTuple):
    """How far two runs are apart."""

    final: float  # norm of the final latents' difference, relative
    energy: float  # largest relative difference of the energies at one evaluation
    push: float  # the same of the pushes' norms
    clipped: float  # share of the evaluations whose push was clipped


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
