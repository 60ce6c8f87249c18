"""Films: from the photo to the whole motion, before one ground."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

import mg_jax
from flows import motions
from mg_jax import api, filming
from mg_jax.interfaces import ModelResult
from mg_jax.models.patch.preview import Preview

pytestmark = pytest.mark.filterwarnings("ignore::mg_jax.EditWarning")
H, W, DX = 64, 96, 40
MASK = np.zeros((H, W), bool)
MASK[20:44, 10:34] = True
WORDS = f"translate dx={DX} dy=0"


def photo():
    """Stripes with noise, and a red square."""
    rng = np.random.default_rng(0)
    rows = 100 + 50 * np.sin(np.arange(H) / 3)[:, None, None] + rng.normal(0, 8, (H, W, 3))
    return np.where(MASK[..., None], [230, 20, 20], rows).clip(0, 255).astype(np.uint8)


class Recorder:
    """A model that notes the flows of its edits, and returns the photo."""

    name = "recorder"
    settings = mg_jax.PatchSettings()
    accepts = frozenset()

    def __init__(self):
        self.flows = []

    def check(self, request):
        return request

    def edit(self, request):
        self.flows.append(request.flow)
        yield from ()
        return ModelResult(
            request.image[None], request.motion.region, np.zeros((1, 0, 0, 0), np.float32)
        )


def test_a_film_goes_from_the_photo_to_the_whole_motion():
    film = mg_jax.film(photo(), WORDS, 5, mask=MASK, seconds=1.0)
    assert film.seconds == 1.0
    np.testing.assert_array_equal(film.frames[0], photo())
    inner = ndimage.binary_erosion(MASK, iterations=2)
    for frame, share in zip(film.frames, np.linspace(0, 1, 5), strict=True):
        where = np.roll(inner, round(share * DX), axis=1)
        np.testing.assert_allclose(
            frame[where], np.broadcast_to([230, 20, 20], (inner.sum(), 3)), atol=2
        )


def test_the_ground_is_the_same_in_all_frames():
    frames = np.stack(mg_jax.film(photo(), WORDS, 9, mask=MASK).frames[5:])
    left = ndimage.binary_erosion(MASK, iterations=2) & (np.arange(W) < 28)  # seen in all of these
    assert left.any()
    assert (frames[:, left] == frames[0][left]).all()
    assert (np.abs(frames[0][left] - np.array([230, 20, 20.0])).sum(axis=-1) > 100).all()


def test_a_model_that_films_nothing_itself_edits_by_shares():
    recorder = Recorder()
    whole = motions.field(motions.parse("rotate degrees=90"), MASK)
    film = mg_jax.film(photo(), "rotate degrees=90", 4, mask=MASK, model=recorder)
    assert len(film.frames) == 4
    for flow, degrees in zip(recorder.flows, (30, 60, 90), strict=True):
        expected = motions.field(motions.parse(f"rotate degrees={degrees}"), MASK)
        np.testing.assert_allclose(flow, expected, atol=1e-3)
    np.testing.assert_allclose(recorder.flows[-1], whole, atol=1e-3)


def test_a_picture_that_moves_as_a_whole_is_filmed():
    film = mg_jax.film(photo(), "scale factor=1.5", 3, mask=np.ones((H, W), bool))
    np.testing.assert_array_equal(film.frames[0], photo())
    assert (film.frames[1] != film.frames[2]).any()


@pytest.mark.parametrize("frames", [1, 1001])
def test_too_few_or_many_frames_are_refused_before_any_work(frames):
    request = api.request(photo(), WORDS, mask=MASK, model=Preview())
    request = dataclasses.replace(request, model=Recorder())
    with pytest.raises(ValueError, match=f"frames: {frames}; expected 2 to 1000"):
        filming.pictures(request, frames)
