"""The two published GMFlow architectures as data."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A resolution at which flow is estimated; lengths are in its feature pixels."""

    stride: int  # image pixels per feature pixel
    splits: int  # windows along a side, a power of two; attention stays inside each
    trained: tuple[int, int]  # height and width of a window in the training pictures
    smallest: int  # side of the smallest window for which the weights still work
    matching: int | None  # radius along each axis in which a match is sought; None: everywhere
    propagation: int | None  # radius from which flow is propagated; None: everywhere


@dataclass(frozen=True)
class Config:
    """Scales and widths of one GMFlow architecture (Xu et al., CVPR 2022)."""

    name: str
    scales: tuple[Scale, ...]  # coarse to fine, each at twice the resolution of the one before
    stages: tuple[int, int, int]  # channels of the encoder's three stages; the stem has the first
    features: int  # channels of a feature map
    layers: int  # of the transformer, an even number
    widening: int  # hidden width of the transformer's MLPs over their input's
    mask: int  # hidden channels of the head that predicts the up-sampling weights

    @property
    def stride(self) -> int:
        """Image pixels per feature pixel of the finest scale."""
        return self.scales[-1].stride

    @property
    def multiple(self) -> int:
        """Image sides are padded to multiples of this, in pixels: whole windows at every scale."""
        return math.lcm(*(scale.stride * scale.splits for scale in self.scales))


_COARSE = Scale(stride=8, splits=2, trained=(20, 56), smallest=16, matching=None, propagation=None)
_FINE = Scale(stride=4, splits=8, trained=(10, 28), smallest=8, matching=4, propagation=1)

SINGLE = Config(
    name="single-scale",
    scales=(_COARSE,),
    stages=(64, 96, 128),
    features=128,
    layers=6,
    widening=4,
    mask=256,
)

REFINED = Config(
    name="refined",
    scales=(_COARSE, _FINE),
    stages=(64, 96, 128),
    features=128,
    layers=6,
    widening=4,
    mask=256,
)
