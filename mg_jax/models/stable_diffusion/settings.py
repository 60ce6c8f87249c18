"""Settings of an edit with Stable Diffusion; the defaults are the paper's.

Two other presets: `reference()`, the PyTorch code in every detail, and `fast()`, which saves time
at some cost in quality.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from mg_jax import settings
from mg_jax.settings import Help

_SHARES = {"warm_start": 0.9, "guided_from": 0.9, "guided_until": 1.0}  # the largest values


@dataclass(frozen=True)
class StableDiffusionSettings(settings.Settings):
    """Strengths, sizes and levels as in the paper; `reference()` is its code in every detail."""

    size: int | None = None  # the model's own
    steps: int = 500
    recursions: int = 10
    guidance_weight: float = 300.0
    color_weight: float = 100.0
    flow_weight: float = 3.0
    clip: float = 200.0
    occlusion_masking: bool = True
    oracle_flow: bool = False
    cfg_scale: Annotated[
        float, Help("Classifier-free guidance: 1 is the prompt alone, 0 no prompt.")
    ] = 7.5
    dtype: Annotated[str, Help("What the networks compute and are kept in.")] = "float32"
    source: Annotated[
        str,
        Help(
            "What sampling starts from and keeps outside the region: the photo's DDIM trajectory,"
            " found first, or pure noise and the photo with fresh noise."
        ),
    ] = "inverted"
    inversion_iterations: Annotated[
        int, Help("Evaluations a level of the inversion; 1 is plain DDIM, as the reference's.")
    ] = 3
    null_text: Annotated[
        int, Help("Iterations a level of null-text optimisation after the inversion.")
    ] = 0
    clip_over: Annotated[
        str, Help("Whose norm the clip limits: each sample's, or the batch's (the reference).")
    ] = "sample"
    flow_statistics: Annotated[
        str, Help("What RAFT's batch norms use: running statistics, or the batch's (reference).")
    ] = "running"
    finish: Annotated[
        str,
        Help("Paste the picture into the photo, kept outside the region, or leave it as decoded."),
    ] = "pasted"
    # Options that save time, at some cost in quality or memory:
    warm_start: Annotated[
        float, Help("Share of the levels left out: begins with the photo moved and noised.")
    ] = 0.0
    guided_from: Annotated[
        float, Help("Share of the levels, noisiest first, that run once, not guided.")
    ] = 0.0
    guided_until: Annotated[float, Help("Share of the levels after which none is guided.")] = 1.0
    gradient_every: int = 1
    gradient_through: str = "denoiser"
    remat: Annotated[
        str, Help("What gradients compute again: each block, or nothing, for more memory.")
    ] = "blocks"

    SIZES: ClassVar[range] = range(128, 2049, 64)
    CHECKPOINT_EVERY: ClassVar[int] = 10
    STEPS: ClassVar[range] = range(1, 1000)
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = settings.Settings.CHOICES | {
        "dtype": ("float32", "bfloat16"),
        "source": ("inverted", "noised"),
        "clip_over": ("sample", "batch"),
        "flow_statistics": ("running", "batch"),
        "finish": ("pasted", "decoded"),
        "remat": ("blocks", "nothing"),
    }

    @property
    def working_size(self) -> int:
        """`size`, which `Model.check` has filled in where it was left to the model.

        Raises:
            ValueError: it is still left open.
        """
        if self.size is None:
            raise ValueError("size: left to the model, which is not known here; expected a number")
        return self.size

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

    def _check_size(self) -> None:
        if self.size is not None:
            super()._check_size()


def reference() -> StableDiffusionSettings:
    """Return the settings that reproduce the PyTorch reference, beyond what the paper says.

    To repeat its cached latents, pass them as `Replay`; they replace the noised source. Only its
    occlusion mask is not reproduced: computed in normalised coordinates, it masks a few more pixels
    by rounding errors.
    """
    return StableDiffusionSettings(
        source="noised",
        inversion_iterations=1,
        clip_over="batch",
        flow_statistics="batch",
        finish="decoded",
    )


def fast() -> StableDiffusionSettings:
    """Return settings for a fiftieth of the paper's work.

    Fewer levels and recursions, fewer and cheaper gradients: 80, through decoder and flow network
    only, instead of 5000 that also go through the denoiser.
    """
    return StableDiffusionSettings(
        steps=50,
        recursions=4,
        inversion_iterations=2,
        guided_until=0.8,
        gradient_every=2,
        gradient_through="estimate",
    )


PRESETS = {"paper": StableDiffusionSettings, "reference": reference, "fast": fast}
