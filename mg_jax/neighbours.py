"""Check, before anything else, that `flows` is the package that ships with this one.

A file or folder of that name in the working folder, or earlier on the path, would be imported
instead, and fail far from the cause.
"""

from importlib.util import find_spec
from pathlib import Path


def check(name: str) -> None:
    """Raise ImportError, one line, if the package `name` is not the one next to this package."""
    expected = Path(__file__).parents[1] / name / "__init__.py"
    spec = find_spec(name)
    origin = None if spec is None else spec.origin
    if origin is None or not expected.samefile(origin):
        raise ImportError(
            f"{name}: is {origin or 'missing'}; mg_jax needs {expected} (rename yours, or work in"
            " another folder; the commands mg-edit and so on work in any)"
        )


check("flows")
