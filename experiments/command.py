"""How our programs start and fail: absl flags in, one line on standard error and status 1 out."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn, TypeVar

from absl import app, flags

from experiments.subprocesses import SAID

T = TypeVar("T")

_MAY_BE_EMPTY = ("prompt",)
# Libraries that absl would let tell of backends that are not there, or of each request to the hub.
_TALKATIVE = ("jax", "httpx", "httpx2", "httpcore", "huggingface_hub", "urllib3", "filelock")
_INTERRUPTED = 130  # what a shell says of a program that Ctrl-C has ended
_TERMINATED = 143  # and of one that SIGTERM has ended
_SHOWN = warnings.formatwarning


def run(main: Callable[[], None]) -> None:
    """Parse the flags, then run `main`.

    A ValueError, a failing disk, a bad flag or too little memory ends in one line on standard error
    and status 1; Ctrl-C in one line and status 130; SIGTERM, where the run is saved, in one line
    and status 143.
    """
    _start(lambda rest: attempt(main, rest))


def run_one_of(mains: Mapping[str, Callable[[], None]]) -> None:
    """As `run`, for a program of several tasks: the first word of its line says which."""
    flags.FLAGS.set_gnu_getopt(True)  # else no flag could come after the word

    def chosen(rest: Sequence[str]) -> None:
        task = rest[1] if len(rest) > 1 else ""
        if task not in mains:
            fail(f"{task or 'no task'}: expected {' or '.join(mains)}, then flags")
        attempt(mains[task], [rest[0], *rest[2:]])

    _start(chosen)


def attempt(main: Callable[[], None], rest: Sequence[str]) -> None:
    """Run `main`; `rest` is the program's name and what is left after its flags: nothing."""
    if len(rest) > 1:
        fail(f"{rest[1]}: not a flag; expected --name=value")
    try:
        main()
    except (ValueError, OSError) as error:
        fail(str(error))
    except (RuntimeError, MemoryError) as error:
        said = str(error).partition("\n")[0]
        if isinstance(error, RuntimeError) and not any(words in said for words in SAID):
            raise
        fail(f"not enough memory ({said}); expected more, or a smaller --size")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        _end(_INTERRUPTED)
    except SystemExit as stop:
        if stop.code == _TERMINATED:  # `mg_jax.preemption.Preempted`, which has said so
            _end(_TERMINATED)
        raise


def _noted(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning as Python shows it, but `mg_jax.EditWarning` as a note."""
    if category.__name__ == "EditWarning":
        return f"note: {message}\n"
    return _SHOWN(message, category, filename, lineno, line)


def _end(status: int) -> NoReturn:
    """End at once: Python would wait for threads that compile, which nothing stops."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _start(begin: Callable[[Sequence[str]], None]) -> None:
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.formatwarning = _noted
    app.run(begin, flags_parser=parse)


def parse(argv: Sequence[str]) -> list[str]:
    """Parse the flags, which say something if they are given; return the rest of the line."""
    try:
        rest = list(flags.FLAGS(argv))
    except flags.Error as error:
        fail(str(error))
    except SystemExit:
        sys.exit(0)  # absl has shown the help, and calls it a fault
    for name in flags.FLAGS:
        flag = flags.FLAGS[name]
        if flag.present and flag.value == "" and name not in _MAY_BE_EMPTY:
            fail(f"--{name}: empty; expected a value, or no such flag")
    return rest


def needed(flag: flags.FlagHolder[T | None]) -> T:
    """The value of a flag that only some tasks of a program need. Raises ValueError without one."""
    if not flag.value:
        raise ValueError(f"--{flag.name}: none given; expected a value")
    return flag.value


def note(lines: Iterable[str]) -> None:
    """Say on standard error what may not be meant, one line each."""
    for line in lines:
        print(f"note: {line}", file=sys.stderr)


def fail(line: str) -> NoReturn:
    """End the program with one line on standard error and status 1."""
    print(" ".join(line.split()), file=sys.stderr)
    sys.exit(1)
