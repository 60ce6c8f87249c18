"""The recurrent update of RAFT: correlation and flow in, a better flow out (section 3.3)."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn.convolution import Conv, convolve
from flows.nn.precision import widened
from flows.raft.config import LEVELS, Config
from flows.raft.layers import ReluStack


class MotionEncoder(nnx.Module):
    """Encode the correlation window and the current flow as motion features."""

    def __init__(self, config: Config, *, dtype: DTypeLike, rngs: nnx.Rngs):
        window = LEVELS * config.window**2
        self.correlation = ReluStack(window, config.correlation_convs, dtype=dtype, rngs=rngs)
        self.flow = ReluStack(2, config.flow_convs, dtype=dtype, rngs=rngs)
        both = config.correlation_convs[-1][0] + config.flow_convs[-1][0]
        # The flow itself is appended, so two channels fewer are computed.
        self.merge = ReluStack(both, ((config.motion - 2, 3),), dtype=dtype, rngs=rngs)

    def __call__(
        self, window: Float[Array, "b h w k"], flow: Float[Array, "b h w 2"]
    ) -> Float[Array, "b h w c"]:
        """Encode the lookup and the flow, both in feature pixels."""
        both = jnp.concatenate([self.correlation(window), self.flow(flow)], -1)
        merged = self.merge(both)
        return jnp.concatenate([merged, flow.astype(merged.dtype)], -1)


class GatedUnit(nnx.Module):
    """Convolutional gated recurrent unit (GRU) over (hidden, context, motion) channels.

    The context is the same at each update, and so is its term in the three convolutions:
    `context_share` computes it once, `__call__` adds it.
    """

    def __init__(
        self, config: Config, kernel: tuple[int, int], *, dtype: DTypeLike, rngs: nnx.Rngs
    ):
        inputs = config.hidden + config.context + config.motion
        self.update = Conv(inputs, config.hidden, kernel, dtype=dtype, rngs=rngs)
        self.reset = Conv(inputs, config.hidden, kernel, dtype=dtype, rngs=rngs)
        self.candidate = Conv(inputs, config.hidden, kernel, dtype=dtype, rngs=rngs)
        self.hidden = config.hidden
        self.context = config.context
        self.dtype = jnp.dtype(dtype)

    def _kernel(self, begin: int, end: int | None) -> Float[Array, "kh kw inputs outputs"]:
        """Kernels of input channels begin … end: update, reset and candidate, concatenated."""
        layers = (self.update, self.reset, self.candidate)
        parts = [layer.kernel.get_value()[:, :, begin:end] for layer in layers]
        return jnp.concatenate(parts, -1).astype(self.dtype)

    def context_share(self, context: Float[Array, "b h w c"]) -> Float[Array, "b h w gates"]:
        """The three convolutions over the context channels alone, plus their biases."""
        layers = (self.update, self.reset, self.candidate)
        bias = jnp.concatenate([layer.bias.get_value() for layer in layers]).astype(self.dtype)
        share = convolve(context, self._kernel(self.hidden, self.hidden + self.context), 1)
        return share + bias.reshape(1, 1, 1, -1)

    def __call__(
        self,
        hidden: Float[Array, "b h w state"],
        motion: Float[Array, "b h w c"],
        context_share: Float[Array, "b h w gates"],
    ) -> Float[Array, "b h w state"]:
        """Return the next hidden state."""
        size = self.hidden
        own = self._kernel(0, size)
        inputs = context_share + convolve(motion, self._kernel(size + self.context, None), 1)
        gates = jax.nn.sigmoid(inputs[..., : 2 * size] + convolve(hidden, own[..., : 2 * size], 1))
        update, reset = gates[..., :size], gates[..., size:]
        recalled = convolve(reset * hidden, own[..., 2 * size :], 1)
        candidate = jnp.tanh(inputs[..., 2 * size :] + recalled)
        return (1 - update) * hidden + update * candidate


class Head(nnx.Module):
    """Two convolutions with a ReLU between: 3×3, then `width`×`width`."""

    def __init__(
        self,
        inputs: int,
        inner: int,
        outputs: int,
        width: int,
        *,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        self.inner = Conv(inputs, inner, (3, 3), dtype=dtype, rngs=rngs)
        self.outer = Conv(inner, outputs, (width, width), dtype=dtype, rngs=rngs)

    def __call__(self, hidden: Float[Array, "b h w c"]) -> Float[Array, "b h w c2"]:
        """Apply both."""
        return self.outer(jax.nn.relu(self.inner(hidden)))


class Update(nnx.Module):
    """One refinement of hidden state and flow."""

    def __init__(self, config: Config, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.motion = MotionEncoder(config, dtype=dtype, rngs=rngs)
        self.gates = nnx.List(
            [GatedUnit(config, kernel, dtype=dtype, rngs=rngs) for kernel in config.gates]
        )
        self.flow = Head(config.hidden, config.head, 2, 3, dtype=dtype, rngs=rngs)
        # Weights of 9 neighbours for each of the 8×8 pixels in a feature pixel.
        self.mask = (
            Head(config.hidden, config.mask, 9 * 64, 1, dtype=dtype, rngs=rngs)
            if config.mask
            else None
        )

    def context_shares(
        self, context: Float[Array, "b h w c"]
    ) -> tuple[Float[Array, "b h w gates"], ...]:
        """Compute the term that the context adds to each gated unit at every update."""
        return tuple(unit.context_share(context) for unit in self.gates)

    def __call__(
        self,
        hidden: Float[Array, "b h w state"],
        shares: tuple[Float[Array, "b h w gates"], ...],
        window: Float[Array, "b h w k"],
        flow: Float[Array, "b h w 2"],
    ) -> tuple[Float[Array, "b h w state"], Float[Array, "b h w 2"]]:
        """Return the next hidden state and the change of the flow, in feature pixels."""
        motion = self.motion(window, flow)
        for unit, share in zip(self.gates, shares, strict=True):
            hidden = unit(hidden, motion, share)
        return hidden, widened(self.flow(hidden))
