"""A two-dimensional convolution padded as PyTorch pads, with a gradient that stays fast in loops.

XLA's CPU backend has a fast path for kernels laid out [h, w, in, out] only. JAX's own gradient of a
convolution reads the kernel as [h, w, out, in]: inside a `lax.scan`, where XLA does not reorder it,
that was measured four times slower. So the gradient here transposes the kernel first.

On CPU, half precision is computed as a sum of matrix products, one for each tap (place) of the
kernel: see `flows.nn.matmul`.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from flows.nn import matmul
from flows.nn.precision import products

_Padding = list[tuple[int, int]]
_WIDE = 32  # channels; with fewer, the matrix products of single taps are too small to be fast


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(
    x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw c c2"], stride: int
) -> Float[Array, "b h2 w2 c2"]:
    """Cross-correlate with a kernel of odd sides; zero padding of side // 2 on every border.

    XLA's "SAME" pads stride-2 convolutions on one side only, which would shift the grid. Has no
    forward-mode derivative.
    """
    padding = _halves(kernel)
    by_products = partial(_by_products, padding=padding, product="bhwc,cd->bhwd", turned=1)
    whole = partial(_convolve, stride=stride, padding=padding)
    return _chosen(by_products, whole, x, kernel, stride)


def _chosen(
    by_products: Callable[..., Array],
    whole: Callable[..., Array],
    x: Float[Array, "b h w _"],
    kernel: Float[Array, "kh kw c c2"],
    stride: int,
) -> Float[Array, "b h2 w2 _"]:
    """Use matrix products on CPU in half precision, at stride 1 with 32 channels or more."""
    if stride > 1 or min(kernel.shape[2:]) < _WIDE:
        return whole(x, kernel)
    return matmul.chosen(by_products, whole, x, kernel)


def _by_products(
    x: Float[Array, "b h w _"],
    kernel: Float[Array, "kh kw c c2"],
    padding: _Padding,
    product: str,
    turned: Literal[1, -1],
) -> Float[Array, "b h2 w2 _"]:
    """Sum over the kernel's taps of the shifted image times the tap; turned=-1 flips the kernel.

    In a loop: XLA would otherwise keep a copy of each tap of all layers.
    """
    rows, columns, *channels = kernel.shape
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    size = x.shape[1] - rows + 1, x.shape[2] - columns + 1

    def add(total: Array, tap: tuple[Array, Array]) -> tuple[Array, None]:
        place, matrix = tap
        start = (0, place // columns, place % columns, 0)
        seen = jax.lax.dynamic_slice(x, start, (x.shape[0], *size, x.shape[3]))
        part = jnp.einsum(
            product,
            seen,
            matrix,
            precision=products(x.dtype),
            preferred_element_type=jnp.float32,
        )
        return total + part, None

    taps = kernel.reshape(rows * columns, *channels)
    outputs = channels[1] if turned == 1 else channels[0]
    places = jnp.arange(rows * columns, dtype=jnp.int32)[::turned]
    total, _ = jax.lax.scan(
        add, jnp.zeros((x.shape[0], *size, outputs), jnp.float32), (places, taps)
    )
    return total.astype(x.dtype)


def _halves(kernel: Float[Array, "kh kw c c2"]) -> _Padding:
    return [(side // 2, side // 2) for side in kernel.shape[:2]]


def _convolve(
    x: Float[Array, "b h w c"],
    kernel: Float[Array, "kh kw c c2"],
    stride: int,
    padding: _Padding,
    spread: int = 1,
) -> Float[Array, "b h2 w2 c2"]:
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        lhs_dilation=(spread, spread),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=products(x.dtype),
    )


def _forward(
    x: Float[Array, "b h w c"], kernel: Float[Array, "kh kw c c2"], stride: int
) -> tuple[Float[Array, "b h2 w2 c2"], tuple[Array, Array]]:
    return convolve(x, kernel, stride), (x, kernel)


def _backward(
    stride: int, saved: tuple[Array, Array], gradient: Float[Array, "b h2 w2 c2"]
) -> tuple[Float[Array, "b h w c"], Float[Array, "kh kw c c2"]]:
    x, kernel = saved
    padding: _Padding = []
    for side, size, outputs in zip(
        kernel.shape[:2], x.shape[1:3], gradient.shape[1:3], strict=True
    ):
        half = side // 2
        spread = (outputs - 1) * stride + 1
        padding.append((half, size - spread + half))

    def whole(gradient: Float[Array, "b h2 w2 c2"], kernel: Float[Array, "kh kw c c2"]) -> Array:
        turned = jnp.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
        return _convolve(gradient, turned, 1, padding, spread=stride)

    by_products = partial(_by_products, padding=padding, product="bhwd,cd->bhwc", turned=-1)
    of_x = _chosen(by_products, whole, gradient, kernel, stride)
    # Compiled away where the gradient with respect to the parameters is not used.
    (of_kernel,) = jax.linear_transpose(lambda k: _convolve(x, k, stride, _halves(k)), kernel)(
        gradient
    )
    return of_x, of_kernel


convolve.defvjp(_forward, _backward)


class Conv(nnx.Module):
    """Convolution with a bias, computed in `dtype`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        *,
        stride: int = 1,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        make = nnx.initializers.he_normal()
        self.kernel = nnx.Param(make(rngs.params(), (*kernel, inputs, outputs)))
        self.bias = nnx.Param(jnp.zeros(outputs))
        self.stride = stride
        self.dtype = jnp.dtype(dtype)

    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        """Convolve and add the bias."""
        return self.by(lambda x, kernel: convolve(x, kernel, self.stride), x)

    def by(
        self, convolution: Callable[[Array, Array], Array], x: Float[Array, "b h w c"]
    ) -> Float[Array, "b h2 w2 c2"]:
        """Apply another function of (picture, kernel), and add the bias."""
        kernel = self.kernel.get_value().astype(self.dtype)
        bias = self.bias.get_value().astype(self.dtype)
        return convolution(x.astype(self.dtype), kernel) + bias.reshape(1, 1, 1, -1)
