"""Compile time, kept programs, memory."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from jax.experimental.compilation_cache import compilation_cache

from flows.nn.convolution import convolve
from mg_jax import compilation


@pytest.fixture
def config():
    """Leave jax's settings as they were."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield jax.config
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # what it holds is of the folder before


def test_a_fresh_program_costs_and_a_known_one_does_not():
    x = jnp.arange(7.0)
    program = jax.jit(lambda x: jnp.sin(x) @ jnp.cos(x))
    with compilation.compile_time() as first:
        program(x)
    with compilation.compile_time() as second:
        program(x)
    assert first.seconds > 0
    assert second.seconds == 0


def test_compiling_takes_no_longer_than_the_block():
    x = jnp.ones((8, 8))

    @jax.jit
    def inner(x):
        return jax.lax.scan(lambda c, _: (jnp.tanh(c @ c), None), x, length=3)[0]

    outer = jax.jit(lambda x: inner(jax.jit(lambda y: inner(y) * 2)(x)))
    start = time.perf_counter()
    with compilation.compile_time() as compiling:
        outer(x).block_until_ready()
    assert 0 < compiling.seconds <= time.perf_counter() - start


def test_what_several_threads_compile_at_once_counts_once():
    def compiling(duration):
        jax.monitoring.record_event_duration_secs("/jax/core/compile/any", duration)

    compiling(60.0)  # before the block
    start = time.perf_counter()
    with compilation.compile_time() as several:
        time.sleep(0.2)
        compiling(0.1)
        compiling(0.15)
        compiling(60.0)  # begun before it
        time.sleep(0.2)
        compiling(0.1)
    took = time.perf_counter() - start
    assert 0.3 <= several.seconds <= took - 0.1


def test_blocks_may_nest():
    x = jnp.arange(5.0)
    with compilation.compile_time() as whole:
        jax.jit(lambda x: jnp.exp(x) + 1)(x)
        with compilation.compile_time() as part:
            jax.jit(lambda x: jnp.exp(x) + 2)(x)
    assert 0 < part.seconds < whole.seconds


def test_where_jax_has_been_told_to_keep_programs_they_are_kept(config, tmp_path):
    """By $JAX_COMPILATION_CACHE_DIR, which it reads when it starts, or by its configuration."""
    config.update("jax_compilation_cache_dir", str(tmp_path))
    compilation.keep_programs()
    assert config.jax_compilation_cache_dir == str(tmp_path)


def test_programs_are_kept_though_something_was_compiled_before(tmp_path):
    code = """
import jax
from mg_jax import compilation
jax.jit(lambda x: x + 1)(1.0)
compilation.keep_programs()
jax.jit(lambda x: x + 2)(1.0)
"""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert len(list((tmp_path / "mg_jax" / "programs").glob("*-cache"))) == 1


def test_programs_are_kept_in_the_users_cache(config, monkeypatch, tmp_path):
    config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compilation.keep_programs()
    assert Path(jax.config.jax_compilation_cache_dir) == tmp_path / "mg_jax" / "programs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config.update("jax_compilation_cache_dir", None)
    compilation.keep_programs()
    home = tmp_path / "home" / ".cache" / "mg_jax" / "programs"
    assert Path(jax.config.jax_compilation_cache_dir) == home


@pytest.mark.usefixtures("config")
def test_a_folder_given_is_where_programs_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "other"))
    compilation.keep_programs(tmp_path / "this")
    assert Path(jax.config.jax_compilation_cache_dir) == tmp_path / "this"


@pytest.mark.usefixtures("config")
def test_a_bucket_is_left_to_jax_as_it_is_written(monkeypatch):
    made = []
    kind = type(epath.Path("gs://bucket"))
    monkeypatch.setattr(kind, "mkdir", lambda self, **_: made.append(str(self)))
    compilation.keep_programs("gs://bucket/programs")
    assert made == [jax.config.jax_compilation_cache_dir] == ["gs://bucket/programs"]


def test_a_folder_that_cannot_be_made_is_refused_and_nothing_changes(config, tmp_path):
    (tmp_path / "file").touch()
    before = config.jax_compilation_cache_dir
    with pytest.raises(ValueError, match=r"^programs: .*file/this: .*; expected a folder"):
        compilation.keep_programs(tmp_path / "file" / "this")
    assert config.jax_compilation_cache_dir == before


def test_work_beside_is_waited_for_but_not_when_the_user_interrupts():
    with compilation.background_thread() as helper:
        begun = helper.submit(time.sleep, 0.1)
    assert begun.done()
    end, works = threading.Event(), []

    def interrupted():
        with compilation.background_thread() as helper:
            works.append(helper.submit(end.wait, 20))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not works[0].done()
    end.set()


def test_peak_memory_only_grows():
    before = compilation.peak_memory()
    held = np.ones(2**25)  # 256 MiB
    after = compilation.peak_memory()
    assert 0 < before <= after
    assert after >= held.nbytes / 2


def test_a_lean_program_is_the_function():
    lean = compilation.jit_lean(lambda x, y: x * y + 1)
    np.testing.assert_array_equal(lean(jnp.arange(3.0), 2.0), [1, 3, 5])


def test_a_lean_program_holds_less_memory():
    """Backward, each convolution turns its kernel: one at a time, if memory counts."""

    def chain(x, kernels):
        for kernel in kernels:
            x = jnp.tanh(convolve(x, kernel, 1))
        return x.sum()

    x = jax.ShapeDtypeStruct((1, 4, 4, 64), jnp.float32)
    kernels = [jax.ShapeDtypeStruct((3, 3, 64, 64), jnp.float32)] * 12
    lean, plain = (
        jit(jax.grad(chain)).lower(x, kernels).compile().memory_analysis().temp_size_in_bytes
        for jit in (compilation.jit_lean, jax.jit)
    )
    assert lean < plain / 2
