"""Trajectory files: what is written is read, and every fault is one line that names the file."""

import hashlib

import numpy as np
import pytest
import safetensors.numpy

from mg_jax import schedule, trajectory
from mg_jax.trajectory import Origin, Trajectory

RNG = np.random.default_rng(0)
LEVELS = 12
ROWS = schedule.ddim(LEVELS)
PHOTO = RNG.integers(0, 256, (20, 30, 3), np.uint8)
ORIGIN = Origin(trajectory.digest(PHOTO), "CompVis/stable-diffusion-v1-4", "a cup, ☕", 7.5, 512)


def made(levels=LEVELS, noise=0.3):
    """Latents of one clean latent, with noise that changes a little from level to level."""
    rows = schedule.ddim(levels)
    alpha = np.asarray(rows.alpha, np.float64)[:, None, None, None]
    clean, eps = RNG.standard_normal((2, 1, 5, 6, 4))
    changes = np.cumsum(RNG.standard_normal((levels, 5, 6, 4)), axis=0) * noise / levels
    latents = np.sqrt(alpha) * clean + np.sqrt(1 - alpha) * (eps + changes)
    return Trajectory(
        latents.astype(np.float32), np.asarray(rows.t), np.asarray(rows.alpha), None, ORIGIN
    )


def embedded():
    return made()._replace(unconditional=RNG.standard_normal((LEVELS, 7, 8)).astype(np.float32))


def same(ours, theirs):
    assert ours.origin == theirs.origin
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
    return True


@pytest.mark.parametrize("make", [made, embedded])
def test_what_is_written_is_read(tmp_path, make):
    path, written = tmp_path / "cup.safetensors", make()
    trajectory.write(path, written)
    assert same(trajectory.read(path), written)
    assert [file.name for file in tmp_path.iterdir()] == ["cup.safetensors"]


def test_the_digest_is_of_pixels_and_shape():
    assert trajectory.digest(PHOTO) == trajectory.digest(PHOTO.copy(order="F"))
    assert trajectory.digest(PHOTO) != trajectory.digest(PHOTO.reshape(30, 20, 3))
    assert trajectory.digest(PHOTO) != trajectory.digest(PHOTO // 2)
    assert len(trajectory.digest(PHOTO)) == hashlib.sha256().digest_size * 2


# Order.


@pytest.mark.parametrize("levels", [3, 10, 50, 500])
@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_latents_in_the_wrong_order_are_refused(tmp_path, levels, noise):
    path, right = tmp_path / "cup.safetensors", made(levels, noise)
    trajectory.write(path, right)
    with pytest.raises(ValueError, match="wrong order") as caught:
        trajectory.write(path, right._replace(latents=right.latents[::-1].copy()))
    assert str(caught.value).startswith(f"{path}: ")
    assert same(trajectory.read(path), right)


def test_one_noise_at_all_levels_has_no_spread_and_its_reverse_has():
    right = made(50, noise=0.0)
    assert trajectory.noise_spread(right.latents, right.alpha) < 0.02
    assert trajectory.noise_spread(right.latents[::-1], right.alpha) > 0.3


@pytest.mark.parametrize("levels", [1, 2])
def test_few_levels_tell_no_order(tmp_path, levels):
    path, written = tmp_path / "cup.safetensors", made(levels)
    trajectory.write(path, written)
    assert same(trajectory.read(path), written)


# Faults of the file.


def faulty(name, change):
    return made()._replace(**{name: change(getattr(made(), name))})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (faulty("latents", lambda x: x[0]), r"latents is float32 \[5, 6, 4\]"),
        (faulty("latents", lambda x: x[:, :0]), "latents is float32"),
        (faulty("latents", lambda x: x.astype(np.float64)), "latents is float64"),
        (faulty("latents", lambda x: np.where(x > 2, np.nan, x)), "latents holds NaN"),
        (faulty("t", lambda t: t[:-1]), r"t is float32 \[11\]"),
        (faulty("t", lambda t: t[::-1].copy()), "t or alpha out of order"),
        (faulty("alpha", lambda a: a[::-1].copy()), "t or alpha out of order"),
        (faulty("alpha", lambda a: a * 2), "t or alpha out of order or range"),
        (embedded()._replace(unconditional=np.zeros((3, 7, 8), np.float32)), "unconditional is"),
    ],
)
def test_what_is_no_trajectory_is_neither_written_nor_read(tmp_path, wrong, said):
    path = tmp_path / "cup.safetensors"
    with pytest.raises(ValueError, match=said) as caught:
        trajectory.write(path, wrong)
    assert not list(tmp_path.iterdir())
    raw(path, {name: one for name, one in wrong._asdict().items() if isinstance(one, np.ndarray)})
    with pytest.raises(ValueError, match=said) as again:
        trajectory.read(path)
    assert str(again.value) == str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert "; expected" in str(caught.value)


def raw(path, arrays, **changes):
    """Write without a check."""
    header = {"kind": "mg_jax trajectory 1"}
    header |= {name: str(value) for name, value in ORIGIN._asdict().items()} | changes
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    safetensors.numpy.save_file(arrays, path, header)


def fields():
    return {name: one for name, one in made()._asdict().items() if isinstance(one, np.ndarray)}


@pytest.mark.parametrize(
    ("drop", "add", "header", "said"),
    [
        ("alpha", {}, {}, "has no alpha; expected latents, t, alpha"),
        ("", {"zt": np.ones(3)}, {}, "unknown 'zt'"),
        ("", {}, {"kind": "lora"}, "of kind 'lora'"),
        ("", {}, {"size": "large"}, "header lacks or garbles"),
    ],
)
def test_arrays_and_header_must_be_those_of_a_trajectory(tmp_path, drop, add, header, said):
    path = tmp_path / "cup.safetensors"
    arrays = {name: array for name, array in fields().items() if name != drop}
    raw(path, arrays | add, **header)
    with pytest.raises(ValueError, match=said) as caught:
        trajectory.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 7, 300, 1500])
def test_a_file_cut_short_is_refused(tmp_path, size):
    path = tmp_path / "cup.safetensors"
    trajectory.write(path, made())
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="broken or cut short") as caught:
        trajectory.read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_names_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r"cup\.npz: unknown suffix '\.npz'; expected"):
        trajectory.write(tmp_path / "cup.npz", made())
    with pytest.raises(ValueError, match=r"cup\.npz: unknown suffix"):
        trajectory.read(tmp_path / "cup.npz")
    with pytest.raises(ValueError, match="no such file; expected a trajectory"):
        trajectory.read(tmp_path / "cup.safetensors")
    with pytest.raises(ValueError, match="cannot be written"):
        trajectory.write(tmp_path / "gone" / "cup.safetensors", made())


# Faults of what it is used for.


def fit(one, photo=PHOTO, grid=(5, 6), rows=ROWS, prompt=ORIGIN.prompt, cfg_scale=7.5):
    trajectory.check_fits("cup.safetensors", one, photo, grid, rows, prompt, cfg_scale)


def test_prompt_and_scale_count_only_where_there_are_embeddings():
    for changed in ({"prompt": "another"}, {"cfg_scale": 3.0}):
        fit(made(), **changed)
        with pytest.raises(ValueError, match="null-text embeddings"):
            fit(embedded(), **changed)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"photo": PHOTO // 2}, "of another photo"),
        ({"grid": (6, 5)}, r"latents of 6x5, of size 512; expected 5x6"),
        ({"rows": schedule.ddim(11)}, "12 levels; expected 11"),
        ({"rows": schedule.even(12, 900)}, "other noise levels"),
        ({"prompt": "a plate"}, "null-text embeddings for prompt 'a cup, ☕'"),
        ({"cfg_scale": 3.0}, r"cfg_scale 7\.5; expected 'a cup, ☕' and 3\.0"),
    ],
)
def test_what_does_not_fit_is_refused(wanted, said):
    fit(embedded())
    with pytest.raises(ValueError, match=said) as caught:
        fit(embedded(), **wanted)
    assert str(caught.value).startswith("cup.safetensors: ")
    assert "; " in str(caught.value)
    assert "expected" in str(caught.value)
