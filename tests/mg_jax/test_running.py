"""A run's result and record do not depend on where it was stopped."""

import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax import running
from mg_jax.running import Saving
from mg_jax.sample import Phase
from mg_jax.types import Info, Terms

LEVELS = 3


class StopError(Exception):
    """Stands for whatever stops a run."""


def phases():
    """Two guided phases in closed form, the second made of the first one's result."""

    def step(level, z):
        z = 2 * z + level
        value = jnp.full((1, 1, 1), z.sum())
        return z, Info(value, Terms(value, 2 * value), 3 * value, z[None])

    def picture(z, _info):
        return np.full((1, 2, 2, 3), int(z.sum()) % 251, np.uint8)

    first = yield Phase("sampling", range(LEVELS), jnp.ones((1, 2)), step, picture)
    second = yield Phase("sampling_2", range(LEVELS), first + 1, step, picture)
    return np.asarray(second)


def run(folder, stop=None, every=1):
    done = 0

    def callback(_step):
        nonlocal done
        done += 1
        if done == stop:
            raise StopError

    saving = None if folder is None else Saving(folder, {"photo": "a"}, every)
    return running.run(phases(), 1, callback=callback, record=1, progress=False, saving=saving)


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("stop", range(1, 2 * LEVELS + 1))
def test_the_record_of_all_phases_outlives_a_stop(tmp_path, stop, every):
    result, recording = run(None)
    with pytest.raises(StopError):
        run(tmp_path / "run", stop, every)
    again, resumed = run(tmp_path / "run", every=every)
    np.testing.assert_array_equal(again, result)
    assert len(resumed.history.level) == 2 * LEVELS
    wanted = recording.arrays()
    assert resumed.arrays().keys() == wanted.keys()
    for name, values in resumed.arrays().items():
        np.testing.assert_array_equal(values, wanted[name])


def test_a_run_that_has_ended_keeps_its_record(tmp_path):
    _, recording = run(tmp_path / "run")
    _, again = run(tmp_path / "run")
    assert len(recording.history.level) == 2 * LEVELS
    np.testing.assert_array_equal(again.history.energy, recording.history.energy)
