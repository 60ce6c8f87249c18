"""GMFlow as pure functions of (params, images), on a Flax NNX network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.calling import compiled_flow, parameter_count
from flows.gmflow import positions
from flows.gmflow.config import Config, Scale
from flows.gmflow.encoder import Encoder
from flows.gmflow.grids import Fit, Grid, grid
from flows.gmflow.matching import match, moved_back
from flows.gmflow.propagation import Propagation
from flows.gmflow.transformer import Transformer
from flows.nn.padding import check_images, crop, pad
from flows.raft.update import Head
from flows.raft.upsampling import bilinear, mixed

Params = nnx.State[Any, Any]

# ImageNet's mean and standard deviation of red, green and blue in [0, 1], as in training.
_MEAN = np.array([0.485, 0.456, 0.406])
_DEVIATION = np.array([0.229, 0.224, 0.225])


class Source(NamedTuple):
    """What depends on the first image only, so that many flows from it can share it."""

    features: tuple[Float[Array, "b _ _ c"], ...]  # at each scale, with their positions


class Network(nnx.Module):
    """Encoder, transformer, propagation and up-sampling: the parameters of GMFlow."""

    def __init__(self, config: Config, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.encoder = Encoder(config, dtype=dtype, rngs=rngs)
        self.transformer = Transformer(config, dtype=dtype, rngs=rngs)
        self.propagation = Propagation(config.features, dtype=dtype, rngs=rngs)
        # Weights of 9 neighbours for each image pixel in a feature pixel.
        logits = 9 * config.stride**2
        self.upsampler = Head(2 + config.features, config.mask, logits, 1, dtype=dtype, rngs=rngs)

    def encode(self, image: Float[Array, "b h w 3"]) -> tuple[Float[Array, "b _ _ c"], ...]:
        """Features of an image in [-1, 1] at each scale, coarse to fine."""
        scale, shift = 0.5 / _DEVIATION, (0.5 - _MEAN) / _DEVIATION
        row = (1, 1, 1, 3)
        normalized = image * jnp.asarray(scale, image.dtype).reshape(row)
        return self.encoder(normalized + jnp.asarray(shift, image.dtype).reshape(row))

    def estimate(
        self,
        scale: Scale,
        grid: Grid,
        first: Float[Array, "b h w c"],
        second: Float[Array, "b h w c"],
        before: Float[Array, "b h w 2"] | None,
    ) -> tuple[Float[Array, "b h w c"], Float[Array, "b h w 2"]]:
        """Return the first image's features after the transformer, and the flow at this scale.

        Args:
            scale: which one.
            grid: its windows.
            first: the first image's features, positions added already.
            second: the second image's features, without positions.
            before: the coarser scale's flow, in this scale's feature pixels; None at the coarsest.
        """
        if before is not None:
            second = moved_back(second, before)
        second = positions.added(second, *grid)
        down, across = grid
        first, second = self.transformer(first, second, (down.splits, across.splits))
        change = match(first, second, scale.matching)
        flow = change if before is None else before + change
        return first, self.propagation(first, flow, scale.propagation)


@dataclass(frozen=True, eq=False)
class GMFlow:
    """A GMFlow network: a `flows.interfaces.FlowNetwork` with its static structure.

    Images need at least 32 pixels a side, 16 with a single scale. Gradients are complete: the
    `detach` calls of the published training code, where matches have a loss of their own, are left
    out. With them, gradients do not guide a picture to a flow at all.
    """

    config: Config
    graph: nnx.GraphDef[Network]
    params: Params
    fit: Fit = "picture"

    def __call__(
        self, first: Float[Array, "b h w 3"], second: Float[Array, "b h w 3"], updates: int = 1
    ) -> Float[Array, "b h w 2"]:
        """`flow` by the network's own parameters, compiled once for each size."""
        flow: Array = compiled_flow(self, self.params, first, second, updates)
        return flow

    def __repr__(self) -> str:
        """One line: the number of scales and of parameters."""
        scales = len(self.config.scales)
        size = f"{parameter_count(self.params):,} parameters"
        return f"GMFlow({scales} scale{'s' * (scales > 1)}, {size})"

    def features(self, params: Params, first: Float[Array, "b h w 3"]) -> Source:
        """Compute once what every flow from `first` needs.

        `first` holds images in [-1, 1]. Raises ValueError when it is no batch of floating-point
        images, or they are too small.
        """
        check_images(first, "GMFlow", "first", self.config.multiple)
        network = nnx.merge(self.graph, params)
        encoded = network.encode(pad(first, self.config.multiple))
        scales = zip(encoded, self.config.scales, strict=True)
        return Source(tuple(positions.added(x, *self._grid(scale, x)) for x, scale in scales))

    def flow_from(
        self,
        params: Params,
        source: Source,
        second: Float[Array, "b h w 3"],
        updates: int = 1,
        start: Float[Array, "b h w 2"] | None = None,
    ) -> Float[Array, "b h w 2"]:
        """Flow, in pixels, from the image that `source` was computed from to `second`.

        It says where each pixel of the first image is found in the second. `updates` and `start`
        are for iterative networks and ignored: GMFlow passes once through its one or two scales.
        Raises ValueError when the second image is of another size than the source, is no batch of
        floating-point images, or too small.
        """
        del updates, start
        check_images(second, "GMFlow", "second", self.config.multiple)
        network = nnx.merge(self.graph, params)
        encoded = network.encode(pad(second, self.config.multiple))
        _check_sizes(source, encoded)
        grids = [self._grid(*pair) for pair in zip(self.config.scales, encoded, strict=True)]
        coarsest, *finer = zip(self.config.scales, grids, source.features, encoded, strict=True)
        features, flow = network.estimate(*coarsest, None)
        for scale in finer:
            features, flow = network.estimate(*scale, bilinear(flow, 2))
        mask = network.upsampler(jnp.concatenate([flow.astype(features.dtype), features], -1))
        flow = mixed(flow, mask, self.config.stride)
        return crop(flow, second.shape[1], second.shape[2], self.config.multiple)

    def flow(
        self,
        params: Params,
        first: Float[Array, "b h w 3"],
        second: Float[Array, "b h w 3"],
        updates: int = 1,
    ) -> Float[Array, "b h w 2"]:
        """Flow from `first` to `second`: `features`, then `flow_from`."""
        return self.flow_from(params, self.features(params, first), second, updates)

    def _grid(self, scale: Scale, features: Float[Array, "b h w c"]) -> Grid:
        return grid(scale, features.shape[1], features.shape[2], self.fit)


def _check_sizes(source: Source, second: Sequence[Array]) -> None:
    mine, theirs = (x[-1].shape[:3] for x in (source.features, second))
    if mine != theirs:
        sizes = ["x".join(map(str, shape)) for shape in (theirs, mine)]
        raise ValueError(
            f"GMFlow got a second image of {sizes[0]} features (batch, height, width) and a source"
            f" of {sizes[1]}; expected the same"
        )
