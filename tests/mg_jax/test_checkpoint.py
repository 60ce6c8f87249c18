"""A run that is stopped goes on as if it had not been, and with nothing but itself."""

import dataclasses
import functools
import gc
import hashlib
import json
import os
import signal
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import mg_jax
from flows import motions
from mg_jax import api, checkpoint, fingerprint, images, sample
from mg_jax.preemption import Preempted
from mg_jax.sample import Phase

UP, DOWN = 5, 7  # levels of the two phases
THIS = {"photo": "a", "seed": "0"}


class StopError(Exception):
    """Stands for whatever stops a run."""


def phases(walked=None):
    """Two phases in closed form, the second made of the first one's result."""

    def up(level, state):
        place, rows = state
        walked is not None and walked.append(("up", level))
        return (place * 2 + 1, rows.at[level].set(place)), None

    def down(level, state):
        walked is not None and walked.append(("down", level))
        return {"z": state["z"] - 3 * level}, None

    def picture(_state, _info):
        return np.zeros((1, 2, 2, 3), np.uint8)

    start = (jnp.float32(1), jnp.zeros(UP))
    last, rows = yield Phase("up", range(UP)[::-1], start, up, picture)
    end = yield Phase("down", range(DOWN), {"z": last + rows}, down, picture)
    return np.asarray(end["z"])


def walk(folder, every=1, stop=None, walked=None, fingerprint=THIS, record=dict):
    """Run the phases in a folder; raise when `stop` steps are done."""
    done = 0
    with checkpoint.opened(folder, fingerprint, every) as saved:

        def observe(step):
            nonlocal done
            saved.save(step, record)
            done += 1
            if done == stop:
                raise StopError

        return sample.run(phases(walked), observe, saved.resume)


def whole():
    return sample.run(phases(), lambda _: None)


def content(folder):
    """Everything in a folder, but for when it was written."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("stop", [1, 4, UP, UP + 1, UP + 4, UP + DOWN])
def test_a_stopped_run_ends_as_one_that_was_not_stopped(tmp_path, stop, every):
    with pytest.raises(StopError):
        walk(tmp_path / "run", every, stop)
    walked = []
    np.testing.assert_array_equal(walk(tmp_path / "run", every, walked=walked), whole())
    assert len(walked) <= UP + DOWN - stop + every - 1  # no more is lost


def test_a_run_may_be_stopped_again_and_again(tmp_path):
    for _ in range(UP + DOWN):
        with pytest.raises(StopError):
            walk(tmp_path / "run", stop=1)
    walked = []
    np.testing.assert_array_equal(walk(tmp_path / "run", walked=walked), whole())
    assert not walked  # all levels were saved


def test_what_is_recorded_is_kept_with_the_state(tmp_path):
    table = {"level": np.arange(4), "energy": np.ones((4, 2), np.float32)}
    with pytest.raises(StopError):
        walk(tmp_path / "run", stop=UP + 2, record=lambda: table)
    with checkpoint.opened(tmp_path / "run", THIS) as saved:
        sample.run(phases(), lambda _: None, saved.resume)
        assert saved.record.keys() == table.keys()
        for name, values in table.items():
            np.testing.assert_array_equal(saved.record[name], values)


def test_a_state_that_was_half_written_is_not_seen(tmp_path):
    with pytest.raises(StopError):
        walk(tmp_path / "run", stop=3)
    whole_state = tmp_path / "run" / "up" / "3"
    for name in ("5.orbax-checkpoint-tmp", "5.orbax-checkpoint-tmp-17"):
        (whole_state.parent / name).mkdir()
    walked = []
    np.testing.assert_array_equal(walk(tmp_path / "run", walked=walked), whole())
    assert walked[0] == ("up", 1)
    assert not list(whole_state.parent.glob("*tmp*"))


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({"photo": "b", "seed": "0"}, "photo a, now b"),
        ({"photo": "a", "seed": "1"}, "seed 0, now 1"),
        ({"photo": "a"}, "seed 0, now not there"),
        ({"photo": "a", "seed": "0", "prompt": "a cup"}, "prompt not there, now a cup"),
        ({"photo": "c" * 64, "seed": "0"}, "another photo"),
    ],
)
def test_another_run_is_refused_and_the_folder_is_not_touched(tmp_path, now, told):
    with pytest.raises(StopError):
        walk(tmp_path / "run", stop=3)
    before = content(tmp_path / "run")
    with pytest.raises(ValueError, match="holds another run") as caught:
        walk(tmp_path / "run", fingerprint=now)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert content(tmp_path / "run") == before


def test_a_run_of_another_format_is_refused(tmp_path):
    with pytest.raises(StopError):
        walk(tmp_path / "run", stop=3)
    record = tmp_path / "run" / "run.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "format": "0"}))
    with pytest.raises(ValueError, match="format 0, now 1"):
        walk(tmp_path / "run")


def test_only_a_runs_folder_or_an_empty_one_is_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    np.testing.assert_array_equal(walk(tmp_path / "empty"), whole())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cup.png").write_bytes(b"cup")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_text('{"photo": ')
    for name, fault in (
        ("photos", "is not a run's folder"),
        ("file", "is not a run's folder"),
        ("file/in", "cannot be made"),
        ("cut", "cannot be read"),
    ):
        with pytest.raises(ValueError, match=fault) as caught:
            walk(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)


# Orbax leaves a coroutine behind.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_damaged_state_is_told_in_one_line(tmp_path):
    with pytest.raises(StopError):
        walk(tmp_path / "run", stop=3)
    for path in (tmp_path / "run" / "up").rglob("*"):
        if path.is_file() and "state" in path.parts and path.name != "_METADATA":
            path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"run: cannot be read .*; remove it") as caught:
        walk(tmp_path / "run")
    assert "\n" not in str(caught.value)
    del caught
    gc.collect()  # what Orbax has left, here


def test_a_full_disk_is_told_and_loses_neither_the_run_nor_what_was_saved(tmp_path, monkeypatch):
    from orbax.checkpoint import v1 as ocp

    with pytest.raises(StopError):
        walk(tmp_path / "run", stop=3)
    before = content(tmp_path / "run")

    def full(*_args, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ocp.training.Checkpointer, "save_checkpointables_async", full)
    with pytest.warns(mg_jax.EditWarning, match=r"not saved \(.*No space left on device\)"):
        result = walk(tmp_path / "run")
    np.testing.assert_array_equal(result, whole())
    assert content(tmp_path / "run") == before


def test_it_is_saved_after_at_least_one_level(tmp_path):
    with pytest.raises(ValueError, match="checkpoint_every: 0; expected at least 1"):
        walk(tmp_path / "run", every=0)


def test_sigterm_ends_the_run_at_the_next_level_with_everything_saved(tmp_path, capsys):
    before = signal.getsignal(signal.SIGTERM)
    walked = []

    def terminate(step):
        if (step.phase, step.done) == ("down", 2):
            os.kill(os.getpid(), signal.SIGTERM)

    with (
        pytest.raises(Preempted) as caught,
        checkpoint.opened(tmp_path / "run", THIS, every=100) as saved,
    ):
        sample.run(phases(), lambda step: (terminate(step), saved.save(step, dict)), saved.resume)
    assert caught.value.code == 143
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "after level 2 of 7 (down)" in told
    assert str(tmp_path / "run") in told
    assert signal.getsignal(signal.SIGTERM) is before
    np.testing.assert_array_equal(walk(tmp_path / "run", walked=walked), whole())
    assert walked == [("down", level) for level in range(2, DOWN)]


def test_removing_a_run_leaves_nothing(tmp_path):
    walk(tmp_path / "run")
    checkpoint.remove(tmp_path / "run")
    checkpoint.remove(tmp_path / "run")  # there is none
    assert not list(tmp_path.iterdir())


# A whole edit.

DATA = Path(__file__).parents[2] / "experiments" / "data"
SETTINGS = mg_jax.PatchSettings(size=256, steps=4, recursions=1)


@functools.cache
def photo():
    return images.resize(images.read(DATA / "coffee.png"), 128, 192)


@functools.cache
def flow():
    mask = images.resize(
        255 * images.read_mask(DATA / "coffee_mask.png").astype(np.uint8)[..., None], 128, 192
    )
    return motions.field(motions.parse("translate dx=24 dy=0"), mask[..., 0] > 127)


def edit(folder, callback=None):
    return mg_jax.edit(
        photo(),
        flow(),
        settings=SETTINGS,
        samples=2,
        record=1,
        callback=callback,
        checkpoint=folder,
        checkpoint_every=1,
        progress=False,
    )


def blue(_params, _target, image, _level):
    return -image[..., 2].mean(axis=(1, 2)), ()


def prints(record=1, **changes):
    request = api.request(photo(), flow(), **{"settings": SETTINGS, "samples": 2, **changes})
    return fingerprint.of_request(request, record)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 1}, "seed 0, now 1"),
        ({"samples": 1}, "samples 2, now 1"),
        ({"record": 0}, "record 1, now 0"),
        ({"settings": dataclasses.replace(SETTINGS, recursions=2)}, "recursions 1, now 2"),
        ({"ramp": np.linspace(1, 0, 4)}, "another ramp"),
        ({"keep_mask": np.arange(192)[None].repeat(128, 0) < 9}, "another keep_mask"),
        ({"order": np.ones((128, 192), np.int32)}, "another order"),
        ({"energy": blue}, f"energy none, now {blue.__module__}.blue"),
    ],
)
def test_every_argument_is_part_of_what_an_edit_is(changes, told):
    assert fingerprint.differences(prints(), prints()) == []
    assert fingerprint.differences(prints(), prints(**changes)) == [told]


def test_a_batch_tells_its_edits_apart():
    requests = [api.request(photo(), flow(), seed=seed, settings=SETTINGS) for seed in (0, 1, 2)]
    first, other = (fingerprint.of_batch(chosen) for chosen in (requests[:2], requests[1:]))
    assert fingerprint.differences(first, other) == [
        "edits[0].seed 0, now 1",
        "edits[1].seed 1, now 2",
    ]


def test_weights_are_told_by_every_bit_and_by_their_structure():
    weights = {"a": np.zeros(3, np.float32), "b": np.ones((2, 2), np.float32)}
    other = {**weights, "b": np.nextafter(weights["b"], np.float32(2))}
    digests = [
        fingerprint.digest(tree)
        for tree in (weights, other, {"a": weights["b"], "b": weights["a"]}, (weights, "text"))
    ]
    assert len(set(digests)) == len(digests)
    assert fingerprint.digest(dict(weights)) == digests[0]


@pytest.mark.long
def test_an_edit_that_was_stopped_has_the_same_pictures_history_and_film(tmp_path):
    def stop(step):
        if step.done == 2:
            raise StopError

    with pytest.raises(StopError):
        edit(tmp_path / "run", stop)
    whole_edit = edit(None)
    levels = []
    result = edit(tmp_path / "run", lambda step: levels.append(step.level))
    assert levels[:2] == [2, 3]
    np.testing.assert_array_equal(result.images, whole_edit.images)
    np.testing.assert_array_equal(result.latents, whole_edit.latents)
    np.testing.assert_array_equal(result.estimates, whole_edit.estimates)
    for field, wanted in zip(result.history[:4], whole_edit.history[:4], strict=True):
        np.testing.assert_array_equal(field, wanted)
    for name, values in whole_edit.history.terms.items():
        np.testing.assert_array_equal(result.history.terms[name], values)
