"""What may be set of an edit with Stable Diffusion; the defaults are the paper's."""

from dataclasses import dataclass
from typing import ClassVar

from mg_jax import settings


@dataclass(frozen=True)
class Settings(settings.Settings):
    """Strengths, sizes and levels as in the paper and its reference."""

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

    SIZES: ClassVar[range] = range(128, 2049, 64)
    STEPS: ClassVar[range] = range(1, 1000)

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if not 0 <= self.cfg_scale < float("inf"):
            raise ValueError(f"cfg_scale: {self.cfg_scale}; expected a finite number >= 0")
        if self.dtype not in ("float32", "bfloat16"):
            raise ValueError(f"dtype: {self.dtype!r}; expected 'float32' or 'bfloat16'")
