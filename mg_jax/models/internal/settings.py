"""What may be set of an internal edit; the defaults are one setting for all photos."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Settings:
    """Strengths as in the paper, sizes and levels of the coarse-to-fine run.

    Raises:
        ValueError: a value out of its range, named.
    """

    size: int = 512  # side of a square with the work picture's area; grids are size/8 and size/4
    steps: int = 24  # noise levels of the coarse stage; the fine stage has half as many
    recursions: int = 2  # K: repetitions of each guided level of the coarse stage
    guidance_weight: float = 300.0
    color_weight: float = 100.0
    flow_weight: float = 3.0
    clip: float = 15.0  # largest push on a region as large as the picture, at a 64 x 64 grid
    occlusion_masking: bool = True  # leave covered pixels out of the colour loss
    oracle_flow: bool = False  # colour loss by the target flow at every guided level

    def __post_init__(self) -> None:
        """Check every range."""
        if self.size % 64 or not 256 <= self.size <= 1024:
            raise ValueError(f"size: {self.size}; expected a multiple of 64 from 256 to 1024")
        if not 4 <= self.steps <= 500:
            raise ValueError(f"steps: {self.steps}; expected 4 to 500")
        if not 1 <= self.recursions <= 100:
            raise ValueError(f"recursions: {self.recursions}; expected 1 to 100")
        for name in ("guidance_weight", "color_weight", "flow_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: {getattr(self, name)}; expected a finite number >= 0")
        if not 0 < self.clip < float("inf"):
            raise ValueError(f"clip: {self.clip}; expected a finite number > 0")


class Stage(NamedTuple):
    """One grid of the coarse-to-fine run."""

    grid: int  # side of a square with the grid's area
    zoom: int  # the energy sees the grid magnified so many times
    levels: int
    start: int  # time of the first level
    blurred: int  # first levels, too blurred for a flow: colour loss by the target flow alone
    free: int  # last levels, without guidance, where patches snap to real ones
    repetitions: int  # of the guided levels


def stages(settings: Settings) -> tuple[Stage, Stage]:
    """The coarse stage, from pure noise, and the fine one, from the coarse result noised anew."""
    fine = -(-settings.steps // 2)
    return (
        Stage(
            grid=settings.size // 8,
            zoom=4,
            levels=settings.steps,
            start=999,
            blurred=round(0.35 * settings.steps),
            free=round(0.2 * settings.steps),
            repetitions=settings.recursions,
        ),
        Stage(
            grid=settings.size // 4,
            zoom=2,
            levels=fine,
            start=400,
            blurred=0,
            free=round(0.2 * fine),
            repetitions=1,
        ),
    )
