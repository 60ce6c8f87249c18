"""How our programs start and fail: absl flags in, one line on standard error and status 1 out."""

import logging
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags


def run(main: Callable[[], None]) -> None:
    """Parse the flags, then run `main`.

    A ValueError, a failing disk or a bad flag ends in one line on standard error and status 1.
    """
    logging.getLogger("jax").setLevel(logging.WARNING)  # it tells which backends it has not found

    def guarded(argv: Sequence[str]) -> None:
        if len(argv) > 1:
            fail(f"{argv[1]}: not a flag; expected --name=value")
        try:
            main()
        except (ValueError, OSError) as error:
            fail(str(error))

    app.run(guarded, flags_parser=_parse)


def fail(line: str) -> NoReturn:
    """End the program with one line on standard error and status 1."""
    print(" ".join(line.split()), file=sys.stderr)
    sys.exit(1)


def _parse(argv: Sequence[str]) -> list[str]:
    try:
        return list(flags.FLAGS(argv))
    except flags.Error as error:
        fail(str(error))
