"""The two published RAFT architectures as data."""

from dataclasses import dataclass
from typing import Literal

STRIDE = 8  # image pixels per feature pixel
LEVELS = 4  # of the correlation pyramid
SMALLEST = STRIDE << LEVELS  # pixels a side: the coarsest level keeps two features


@dataclass(frozen=True)
class Config:
    """Widths and kinds of layers of one RAFT architecture (Teed & Deng, ECCV 2020)."""

    name: str
    block: Literal["bottleneck", "residual"]
    stages: tuple[int, int, int]  # channels of the encoder's three stages; the stem has the first
    features: int  # channels of a feature map that is correlated
    hidden: int  # channels of the recurrent state
    context: int  # channels of the first image's constant input to the recurrence
    context_norm: Literal["none", "batch"]
    radius: int  # the lookup window is 2·radius + 1 wide at each level
    correlation_convs: tuple[tuple[int, int], ...]  # (channels, kernel width) each
    flow_convs: tuple[tuple[int, int], ...]
    motion: int  # channels of the motion features, the flow's own two included
    gates: tuple[tuple[int, int], ...]  # kernel shapes of the gated recurrent units, in turn
    head: int  # hidden channels of the flow head
    mask: int  # hidden channels of the up-sampling head; 0: plain bilinear up-sampling

    @property
    def window(self) -> int:
        """Side of the correlation lookup window, in feature pixels."""
        return 2 * self.radius + 1


SMALL = Config(
    name="small",
    block="bottleneck",
    stages=(32, 64, 96),
    features=128,
    hidden=96,
    context=64,
    context_norm="none",
    radius=3,
    correlation_convs=((96, 1),),
    flow_convs=((64, 7), (32, 3)),
    motion=82,
    gates=((3, 3),),
    head=128,
    mask=0,
)

LARGE = Config(
    name="large",
    block="residual",
    stages=(64, 96, 128),
    features=256,
    hidden=128,
    context=128,
    context_norm="batch",
    radius=4,
    correlation_convs=((256, 1), (192, 3)),
    flow_convs=((128, 7), (64, 3)),
    motion=128,
    gates=((1, 5), (5, 1)),
    head=256,
    mask=256,
)
