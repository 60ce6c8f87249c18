"""RAFT as pure functions of (params, images), on a Flax NNX network in its tree-mode subset."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.calling import compiled_flow, parameter_count
from flows.nn.padding import check_images, crop, pad
from flows.nn.precision import wide
from flows.raft import correlation, upsampling
from flows.raft.config import SMALLEST, STRIDE, Config
from flows.raft.encoder import Encoder
from flows.raft.norms import Statistics
from flows.raft.update import Update

Params = nnx.State[Any, Any]


class Source(NamedTuple):
    """What depends on the first image only, at an eighth of the (padded) size."""

    features: Float[Array, "b h w c"]  # to correlate
    hidden: Float[Array, "b h w state"]  # the recurrence's first state
    shares: tuple[Float[Array, "b h w gates"], ...]  # the context's constant term in each GRU


class Estimate(NamedTuple):
    """The recurrent state, which each update refines."""

    hidden: Float[Array, "b h w state"]
    flow: Float[Array, "b h w 2"]  # in feature pixels


class Network(nnx.Module):
    """Feature encoder, context encoder and update: the parameters of RAFT."""

    def __init__(self, config: Config, *, statistics: Statistics, dtype: DTypeLike, rngs: nnx.Rngs):
        self.features = Encoder(
            config.stages,
            config.features,
            block=config.block,
            norm="instance",
            statistics=statistics,
            dtype=dtype,
            rngs=rngs,
        )
        self.context = Encoder(
            config.stages,
            config.hidden + config.context,
            block=config.block,
            norm=config.context_norm,
            statistics=statistics,
            dtype=dtype,
            rngs=rngs,
        )
        self.update = Update(config, dtype=dtype, rngs=rngs)


@dataclass(frozen=True, eq=False)
class Raft:
    """A RAFT network: static structure, parameters, and pure functions of given parameters.

    The functions take `params` as an argument so that a jitted caller passes arrays instead of
    baking them in as constants. All images are NHWC in [-1, 1], all flows (dx, dy) in pixels.
    """

    config: Config
    graph: nnx.GraphDef[Network]
    params: Params

    def __call__(
        self, first: Float[Array, "b h w 3"], second: Float[Array, "b h w 3"], updates: int = 12
    ) -> Float[Array, "b h w 2"]:
        """`flow` by the network's own parameters, compiled once for each size."""
        flow: Array = compiled_flow(self, self.params, first, second, updates)
        return flow

    def __repr__(self) -> str:
        """One line: the architecture and the number of parameters."""
        return f"Raft({self.config.name}, {parameter_count(self.params):,} parameters)"

    def features(self, params: Params, first: Float[Array, "b h w 3"]) -> Source:
        """Compute once what every flow from `first` needs.

        Raises ValueError when it is no batch of floating-point images, or a side is under 128
        pixels.
        """
        check_images(first, "RAFT", "first", SMALLEST)
        network = nnx.merge(self.graph, params)
        first = pad(first, STRIDE)
        state = network.context(first)
        hidden, context = state[..., : self.config.hidden], state[..., self.config.hidden :]
        return Source(
            network.features(first),
            jnp.tanh(hidden),
            network.update.context_shares(jax.nn.relu(context)),
        )

    def flow_from(
        self,
        params: Params,
        source: Source,
        second: Float[Array, "b h w 3"],
        updates: int = 12,
        start: Float[Array, "b h w 2"] | None = None,
    ) -> Float[Array, "b h w 2"]:
        """Flow, in pixels, from the image that `source` was computed from to `second`.

        It says where each pixel of the first image is found in the second. Refinement starts from
        zero, or from the flow `start` at full size, which is read at the middle of each 8 x 8 block
        (RAFT's warm start, section 4.4). Only the last estimate is brought to full size. Raises
        ValueError when the second image is no batch of floating-point images, of another size than
        the source, or a side is under 128 pixels.
        """
        network = nnx.merge(self.graph, params)
        first, step = _recurrence(network, self.config, source, second)
        if start is not None:
            first = first._replace(flow=_at_features(start, first.flow))
        last, _ = jax.lax.scan(lambda now, _: (step(now), None), first, length=updates)
        return _full_size(network, last, second)

    def flow(
        self,
        params: Params,
        first: Float[Array, "b h w 3"],
        second: Float[Array, "b h w 3"],
        updates: int = 12,
    ) -> Float[Array, "b h w 2"]:
        """Flow from `first` to `second`: `features`, then `flow_from`."""
        return self.flow_from(params, self.features(params, first), second, updates)

    def flows(
        self,
        params: Params,
        first: Float[Array, "b h w 3"],
        second: Float[Array, "b h w 3"],
        updates: int = 12,
    ) -> Float[Array, "{updates} b h w 2"]:
        """The estimate after each update, first to last, at full size."""
        network = nnx.merge(self.graph, params)
        start, step = _recurrence(network, self.config, self.features(params, first), second)

        def refine(now: Estimate, _: None) -> tuple[Estimate, Float[Array, "b h w 2"]]:
            then = step(now)
            return then, _full_size(network, then, second)

        return jax.lax.scan(refine, start, length=updates)[1]


def _recurrence(
    network: Network, config: Config, source: Source, second: Float[Array, "b h w 3"]
) -> tuple[Estimate, Callable[[Estimate], Estimate]]:
    """Return the first estimate, zero flow, and the function that refines an estimate."""
    check_images(second, "RAFT", "second", SMALLEST)
    features = network.features(pad(second, STRIDE))
    if features.shape != source.features.shape:
        sizes = [f"{f.shape[0]}x{f.shape[1]}x{f.shape[2]}" for f in (features, source.features)]
        raise ValueError(
            f"RAFT got a second image of {sizes[0]} features (batch, height, width) and a source"
            f" of {sizes[1]}; expected the same"
        )
    volumes = correlation.pyramid(source.features, features)
    b, h, w, _ = features.shape
    across, down = jnp.meshgrid(*(jnp.arange(n, dtype=wide(features.dtype)) for n in (w, h)))
    pixels = jnp.broadcast_to(jnp.stack([across, down], -1)[None], (b, h, w, 2))

    def step(now: Estimate) -> Estimate:
        # Gradients reach earlier updates through the hidden state only, as in training.
        flow = jax.lax.stop_gradient(now.flow)
        window = correlation.lookup(volumes, pixels + flow, config.radius)
        hidden, change = network.update(now.hidden, source.shares, window, flow)
        return Estimate(hidden, flow + change)

    return Estimate(source.hidden, jnp.zeros_like(pixels)), step


def _at_features(
    flow: Float[Array, "b h w 2"], like: Float[Array, "b h8 w8 2"]
) -> Float[Array, "b h8 w8 2"]:
    """Read a full-size flow at the middle of each 8 x 8 block, and convert it to feature pixels."""
    return (pad(flow, STRIDE)[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE] / STRIDE).astype(
        like.dtype
    )


def _full_size(
    network: Network, estimate: Estimate, image: Float[Array, "b h w 3"]
) -> Float[Array, "b h w 2"]:
    """Up-sample an estimate's flow to the size of `image`, in its pixels."""
    if network.update.mask is None:
        flow = upsampling.bilinear(estimate.flow)
    else:
        flow = upsampling.convex(estimate.flow, network.update.mask(estimate.hidden))
    return crop(flow, image.shape[1], image.shape[2], STRIDE)
