"""Match named arrays with parameters: all of both must be used, or all mismatches are listed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Shaped

Shape = tuple[int, ...]


def place(
    shapes: Mapping[str, Shape],
    wanted: Mapping[str, Sequence[Shape]],
    parameter: Callable[[str], str | None],
) -> tuple[dict[str, list[str]], list[str]]:
    """Match arrays with parameters; return the arrays' names by parameter, and error messages.

    Args:
        shapes: the arrays' shapes by name.
        wanted: by parameter the shapes that its array may have, the usual one first.
        parameter: returns the parameter that an array of this name fills; "" if the array is not
            needed, None if the name is unknown. Several arrays may fill one parameter.
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
    """Transpose a kernel from PyTorch's axes [out, in, …] to ours, […, in, out]."""
    return np.moveaxis(kernel, (1, 0), (-2, -1))


def their_axes(shape: Shape) -> Shape:
    """PyTorch's shape, [out, in, …], of a kernel that has `shape` in our axes."""
    return (shape[-1], shape[-2], *shape[:-2])
