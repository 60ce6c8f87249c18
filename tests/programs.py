"""Run our programs as processes of their own, without waiting for their imports each time.

A process that has imported what all programs import, and started nothing, is kept for a worker. For
each run it makes a copy of itself (fork), which runs the program as `python -m` does.
"""

import atexit
import functools
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

_KEPT = """
import importlib, json, os, runpy, sys, traceback, warnings

for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
warnings.filterwarnings("ignore", message=".*fork")  # no thread has been started yet

def run(module, arguments, folder, out, error):
    os.chdir(folder)
    for stream, path in ((1, out), (2, error)):
        os.dup2(os.open(path, os.O_WRONLY), stream)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

for line in sys.stdin:
    child = os.fork()
    if not child:
        status = run(**json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

# What programs import besides; none of them defines a flag.
_IMPORTED = ("jax", "jax.numpy", "scipy.ndimage", "mg_jax", "mg_jax.cases", "mg_jax.reference")


def program(module: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `python -m module arguments`; its status, and what it wrote."""
    kept = _kept(threading.get_ident())
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "out"), Path(folder, "error")
        for path in paths:
            path.touch()
        asked = {
            "module": module,
            "arguments": list(map(str, arguments)),
            "folder": str(Path.cwd()),
            "out": str(paths[0]),
            "error": str(paths[1]),
        }
        print(json.dumps(asked), file=kept.stdin, flush=True)
        status = int(kept.stdout.readline())
        return subprocess.CompletedProcess(
            [module, *asked["arguments"]], status, *(path.read_text() for path in paths)
        )


@functools.cache
def _kept(_thread: int) -> "subprocess.Popen[str]":
    """The process of a thread: it runs one program after the other."""
    kept = subprocess.Popen(
        [sys.executable, "-c", _KEPT, json.dumps(_IMPORTED)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(kept.kill)
    return kept
