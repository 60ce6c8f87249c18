"""Settings of a patch edit; one set of defaults serves all photos."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

from mg_jax import settings
from mg_jax.settings import Help


@dataclass(frozen=True)
class PatchSettings(settings.Settings):
    """Strengths of the paper's guidance, size and levels of the coarse-to-fine run."""

    size: int = 512  # grids are size/8 and size/4
    steps: int = 16
    recursions: int = 2
    guidance_weight: float = 300.0
    color_weight: float = 100.0
    flow_weight: float = 3.0
    clip: float = 60.0  # for a region as large as the picture, at a 64 x 64 grid
    occlusion_masking: bool = True
    oracle_flow: bool = False
    gradient_every: int = 1
    gradient_through: str = "estimate"
    stages: Annotated[int, Help("2, or 1, without matching on the fine grid.")] = 2

    SIZES: ClassVar[range] = range(256, 1025, 64)
    CHECKPOINT_EVERY: ClassVar[int] = 0  # an edit takes seconds
    STEPS: ClassVar[range] = range(4, 501)

    def __post_init__(self) -> None:
        """Check every range."""
        super().__post_init__()
        if self.stages not in (1, 2):
            raise ValueError(f"stages: {self.stages}; expected 1 or 2")


class Stage(NamedTuple):
    """One grid of the coarse-to-fine run."""

    grid: int  # side of a square with the grid's area, cells
    zoom: int  # factor by which the grid is magnified for the energy
    levels: int
    start: int  # time of the first level, of 1000
    blurred: int  # number of first levels, without content yet: colour loss by the target flow only
    free: int  # number of last levels, without guidance, where patches snap to real ones
    recursions: int  # of the guided levels


def coarse(settings: PatchSettings) -> Stage:
    """The coarse stage, from pure noise."""
    return Stage(
        grid=settings.size // 8,
        zoom=4,
        levels=settings.steps,
        start=999,
        blurred=max(1, round(settings.steps / 16)),
        free=round(0.2 * settings.steps),
        recursions=settings.recursions,
    )


def fine(settings: PatchSettings) -> Stage:
    """The fine stage: the coarse result is matched on a grid twice as fine, nothing is sampled."""
    return Stage(
        grid=settings.size // 4, zoom=2, levels=0, start=1, blurred=0, free=0, recursions=1
    )


def stages(settings: PatchSettings) -> tuple[Stage, ...]:
    """The stages that an edit with these settings runs."""
    return (coarse(settings), fine(settings))[: settings.stages]
