"""Strict placing of named arrays: each has a place, each parameter an array, or all faults."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Shaped

Shape = tuple[int, ...]


def place(
    shapes: Mapping[str, Shape],
    wanted: Mapping[str, Sequence[Shape]],
    parameter: Callable[[str], str | None],
) -> tuple[dict[str, list[str]], list[str]]:
    """Lead each array to a parameter; return the arrays' names by parameter, and faults in words.

    `shapes` are the arrays', by name; `wanted` says which shapes each parameter's array may have,
    the usual one first; `parameter` says which one an array of a name fills: "" if it is of no
    use, None if the name is unknown. A parameter with several names has as many arrays.
    """
    names: dict[str, list[str]] = {}
    faults = []
    for name, shape in shapes.items():
        path = parameter(name)
        if path == "":
            continue
        if path is None or path not in wanted:
            faults.append(f"{name}: no parameter has this name")
            continue
        if shape not in wanted[path]:
            faults.append(f"{name}: shape {shape}, expected {wanted[path][0]}")
        names.setdefault(path, []).append(name)
    faults += [f"{path}: no array fills this parameter" for path in wanted if path not in names]
    return names, faults


def our_axes(kernel: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """PyTorch's kernels [out, in, …] as […, in, out]."""
    return np.moveaxis(kernel, (1, 0), (-2, -1))


def their_axes(shape: Shape) -> Shape:
    """Shape of the kernel that `our_axes` makes one of `shape` of."""
    return (shape[-1], shape[-2], *shape[:-2])
