"""What may be set of an edit with Stable Diffusion; the defaults are the paper's.

What else there is: `reference()`, the PyTorch code in every detail, and `fast()`, which spares time
at a cost.
"""

from dataclasses import dataclass
from typing import ClassVar

from mg_jax import settings

_SHARES = {"warm_start": 0.9, "guided_from": 0.9, "guided_until": 1.0}  # the largest of each


@dataclass(frozen=True)
class Settings(settings.Settings):
    """Strengths, sizes and levels as in the paper; `reference()` is its code in every detail."""

    size: int = 512
    steps: int = 500
    recursions: int = 10
    guidance_weight: float = 300.0
    color_weight: float = 100.0
    flow_weight: float = 3.0
    clip: float = 200.0
    occlusion_masking: bool = True
    oracle_flow: bool = False
    cfg_scale: float = 7.5  # classifier-free guidance; 1 = the prompt alone, 0 = no prompt
    dtype: str = "float32"  # or "bfloat16": the networks compute and are kept in
    # What is kept outside the region, and where sampling starts: the photo's own trajectory, found
    # by DDIM inversion, or the photo with fresh noise at each level, from pure noise.
    source: str = "inverted"
    inversion_iterations: int = 3  # evaluations a level of the inversion; 1 = the reference's
    null_text: int = 0  # null-text optimisation after the inversion: iterations a level
    clip_over: str = "sample"  # or "batch": the push's norm is that of all samples together
    flow_statistics: str = "running"  # or "batch": RAFT's batch norms in training mode
    finish: str = "pasted"  # into the photo, outside of which it is kept; or "decoded" as it is
    # What spares time, at some cost:
    warm_start: float = 0.0  # share of the levels left out: begins with the photo moved and noised
    guided_from: float = 0.0  # share of the levels, noisiest first, that run once, not guided
    guided_until: float = 1.0  # share of the levels after which the others do so, too
    gradient_every: int = 1
    gradient_through: str = "denoiser"
    remat: str = "blocks"  # computed again for gradients: each block; or "nothing", for more memory

    SIZES: ClassVar[range] = range(128, 2049, 64)
    STEPS: ClassVar[range] = range(1, 1000)
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = settings.Settings.CHOICES | {
        "dtype": ("float32", "bfloat16"),
        "source": ("inverted", "noised"),
        "clip_over": ("sample", "batch"),
        "flow_statistics": ("running", "batch"),
        "finish": ("pasted", "decoded"),
        "remat": ("blocks", "nothing"),
    }

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not 0 <= self.cfg_scale < float("inf"):
            raise ValueError(f"cfg_scale: {self.cfg_scale}; expected a finite number >= 0")
        if not 1 <= self.inversion_iterations <= 100:
            raise ValueError(
                f"inversion_iterations: {self.inversion_iterations}; expected 1 to 100"
            )
        if not 0 <= self.null_text <= 1000:
            raise ValueError(f"null_text: {self.null_text}; expected 0 to 1000")
        for name, largest in _SHARES.items():
            if not 0 <= getattr(self, name) <= largest:
                raise ValueError(f"{name}: {getattr(self, name)}; expected 0 to {largest:g}")
        if max(self.warm_start, self.guided_from) >= self.guided_until:
            raise ValueError(
                f"guided_until: {self.guided_until}; expected more than warm_start and guided_from"
            )


def reference() -> Settings:
    """The PyTorch reference in every detail: the paper's settings, and what its code does besides.

    Given latents (its cached ones) take the noised source's place. Its occlusion mask alone is not
    repeated: in normalised coordinates, whose rounding masks a few pixels more.
    """
    return Settings(
        source="noised",
        inversion_iterations=1,
        clip_over="batch",
        flow_statistics="batch",
        finish="decoded",
    )


def fast() -> Settings:
    """A fiftieth of the paper's work: fewer levels and repetitions, cheaper and rarer gradients.

    80 gradients through decoder and flow network alone take the place of 5000 through the denoiser,
    too.
    """
    return Settings(
        steps=50,
        recursions=4,
        inversion_iterations=2,
        guided_until=0.8,
        gradient_every=2,
        gradient_through="estimate",
    )


PRESETS = {"paper": Settings, "reference": reference, "fast": fast}
