"""The training set of the patch denoiser: every patch of a few pictures, compressed.

A patch is the (2r+1)² pixels around a position, reflected at the border. Patches of each radius are
stored as coordinates on their leading principal components. The components are filters of the
largest size, zero outside their radius, so that one compiled program serves all radii.
"""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float
from numpy.lib.stride_tricks import sliding_window_view

_OVERSAMPLING = 8
_POWER_ITERATIONS = 2
_UNLIKELY = 1e9  # half norm of padding, which makes its softmax weight 0


class Library(NamedTuple):
    """Compressed patches for each of `radii` radii; `k` positions, `d` components."""

    filters: Float[np.ndarray, "radii side side 3 d"]  # principal components, HWIO
    response: Float[np.ndarray, "radii d"]  # of the mean patch to the filters
    keys: Float[np.ndarray, "radii k d"]  # coordinates of each patch, about the mean
    values: Float[np.ndarray, "k 3"]  # centre pixel of each patch
    half_norms: Float[np.ndarray, "radii k"]  # ½ |key|²; huge where there is no patch


def build(
    pictures: list[Float[np.ndarray, "h w 3"]],
    chosen: list[Bool[np.ndarray, "h w"]],
    radii: list[int],
    components: int,
    capacity: int,
    rng: np.random.Generator,
) -> Library:
    """Build the library of the patches at the chosen positions, padded to `capacity` patches.

    Pictures are in [-1, 1]. Patches with at most `components` numbers are stored exactly.

    Raises:
        ValueError: more positions chosen than `capacity`, or none.
    """
    values = np.concatenate([p[c] for p, c in zip(pictures, chosen, strict=True)])
    count = len(values)
    if not 0 < count <= capacity:
        raise ValueError(f"{count} patches chosen; expected 1 to {capacity}")
    largest = max(radii)
    windows = np.concatenate(
        [_windows(p, largest)[c] for p, c in zip(pictures, chosen, strict=True)]
    )
    filters = np.zeros((len(radii), 2 * largest + 1, 2 * largest + 1, 3, components), np.float32)
    response = np.zeros((len(radii), components), np.float32)
    keys = np.zeros((len(radii), capacity, components), np.float32)
    half_norms = np.full((len(radii), capacity), _UNLIKELY, np.float32)
    for i, radius in enumerate(radii):
        inner = slice(largest - radius, largest + radius + 1)
        patches = windows[:, inner, inner].reshape(count, -1)
        mean = patches.mean(axis=0)
        basis = _principal(patches - mean, components, rng)
        kept = basis.shape[1]
        side = 2 * radius + 1
        filters[i, inner, inner, :, :kept] = basis.reshape(side, side, 3, kept)
        response[i, :kept] = mean @ basis
        keys[i, :count, :kept] = (patches - mean) @ basis
        half_norms[i, :count] = 0.5 * np.square(keys[i, :count]).sum(axis=-1)
    return Library(
        filters, response, keys, np.pad(values, ((0, capacity - count), (0, 0))), half_norms
    )


def _windows(
    picture: Float[np.ndarray, "h w 3"], radius: int
) -> Float[np.ndarray, "h w side side 3"]:
    padded = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)), mode="reflect")
    side = 2 * radius + 1
    return np.moveaxis(sliding_window_view(padded, (side, side), axis=(0, 1)), 2, -1)


def _principal(
    patches: Float[np.ndarray, "k D"], components: int, rng: np.random.Generator
) -> Float[np.ndarray, "D d"]:
    """Leading principal directions, by subspace iteration (Halko et al. 2011, algorithm 4.4)."""
    size = patches.shape[1]
    if size <= components:
        return np.eye(size, dtype=np.float32)
    basis = rng.standard_normal((size, components + _OVERSAMPLING), dtype=np.float32)
    for _ in range(_POWER_ITERATIONS):
        basis = _orthonormal(patches.T @ (patches @ basis))
    basis = _orthonormal(basis)
    reduced = patches @ basis
    directions = np.linalg.eigh(reduced.T @ reduced)[1]  # by rising variance
    return np.asarray(basis @ directions[:, : -components - 1 : -1])


def _orthonormal(columns: Float[np.ndarray, "D d"]) -> Float[np.ndarray, "D d"]:
    """Orthonormalise columns by a Cholesky factorisation; nearly, and fully if applied twice.

    LAPACK's QR waits for all its threads at each column: measured 20 times slower than this on
    cores that other programs use, too.
    """
    basis = columns.astype(np.float64)
    basis /= max(float(np.linalg.norm(basis)), 1e-300)
    factor = np.linalg.cholesky(basis.T @ basis + 1e-12 * np.eye(basis.shape[1]))
    return np.asarray(scipy.linalg.solve_triangular(factor, basis.T, lower=True).T, np.float32)
