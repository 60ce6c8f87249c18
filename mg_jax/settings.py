"""What may be set of an edit with any model; each model brings its own defaults and ranges."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Settings:
    """Strengths as in the paper, and the sampler's size and steps.

    Raises:
        ValueError: a value out of its range, named.
    """

    size: int  # side of a square with the work picture's area
    steps: int  # noise levels
    recursions: int  # K: repetitions of each guided level
    guidance_weight: float  # of the whole energy
    color_weight: float
    flow_weight: float
    clip: float  # largest norm of the push
    occlusion_masking: bool  # leave covered pixels out of the colour loss
    oracle_flow: bool  # colour loss by the target flow at every guided level
    gradient_every: int  # repetitions of a level that share one gradient
    gradient_through: str  # "denoiser", or "estimate": the denoiser is taken for constant

    SIZES: ClassVar[range]
    STEPS: ClassVar[range]
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"gradient_through": ("denoiser", "estimate")}

    def __post_init__(self) -> None:
        """Check every range."""
        if self.size not in self.SIZES:
            raise ValueError(
                f"size: {self.size}; expected a multiple of {self.SIZES.step}"
                f" from {self.SIZES[0]} to {self.SIZES[-1]}"
            )
        if self.steps not in self.STEPS:
            raise ValueError(f"steps: {self.steps}; expected {self.STEPS[0]} to {self.STEPS[-1]}")
        if not 1 <= self.recursions <= 100:
            raise ValueError(f"recursions: {self.recursions}; expected 1 to 100")
        if not 1 <= self.gradient_every <= 100:
            raise ValueError(f"gradient_every: {self.gradient_every}; expected 1 to 100")
        for name, known in self.CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: {getattr(self, name)!r}; expected {' or '.join(known)}")
        for name in ("guidance_weight", "color_weight", "flow_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: {getattr(self, name)}; expected a finite number >= 0")
        if not 0 < self.clip < float("inf"):
            raise ValueError(f"clip: {self.clip}; expected a finite number > 0")
