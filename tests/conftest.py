"""Strict numerics for every test, and compilation that favours speed of the compiler."""

import gc
import os
import tempfile
import time
from pathlib import Path

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of each worker; threads that wait take time
# Without the fusion emitters compiling takes two thirds of the time.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
).strip()
import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Tracing makes and keeps so many objects that looking through them often takes a tenth of the time.
gc.set_threshold(100_000, 50, 1000)

# What one test has compiled, its worker and the programs that it starts do not compile again. Each
# worker has a folder of its own: jax writes an entry in place, and another may read half of it.
if "PYTEST_XDIST_WORKER" not in os.environ:
    _kept = tempfile.TemporaryDirectory(prefix="programs.")
    os.environ["PROGRAMS_OF_ALL_WORKERS"] = _kept.name  # which inherit it
_ALL = Path(os.environ["PROGRAMS_OF_ALL_WORKERS"])
_OWN = _ALL / os.environ.get("PYTEST_XDIST_WORKER", "alone")
_OWN.mkdir(exist_ok=True)
_WRITTEN = 2.0  # seconds after which an entry is whole
_MAPS = Path("/proc/self/maps")  # pieces of memory; a compiled program has three
_MOST_MAPS = 20_000  # of 65,530: Linux gives a process no more, and the next program crashes it
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(_OWN)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
jax.config.update("jax_compilation_cache_dir", str(_OWN))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(scope="module", autouse=True)
def programs_of_the_other_workers():
    """Take over, by links, what they have compiled so far."""
    for entry in _ALL.glob("*/*-cache"):
        link = _OWN / entry.name
        if not link.exists() and time.time() - entry.stat().st_mtime > _WRITTEN:
            link.hardlink_to(entry)


@pytest.fixture(autouse=True)
def few_programs_in_memory(request: pytest.FixtureRequest):
    """Drop the compiled programs after a long test, whose worker has run many others."""
    yield
    if request.node.get_closest_marker("long") and _MAPS.exists():
        with _MAPS.open() as maps:
            if sum(1 for _ in maps) > _MOST_MAPS:
                jax.clear_caches()
