"""Films: their frames and times come back from the file."""

import numpy as np
import pytest
from PIL import Image

from flows import video
from mg_jax.animation import Animation

FRAMES = [np.full((16, 24, 3), value, np.uint8) for value in (0, 100, 200)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_has_its_frames_and_its_time(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    Animation(FRAMES, seconds=1.4).save(path)
    with Image.open(path) as film:
        assert film.n_frames == 3
        assert film.size == (24, 16)
        times = []
        for i, frame in enumerate(FRAMES):
            film.seek(i)
            film.load()
            times.append(film.info["duration"])
            np.testing.assert_allclose(np.array(film.convert("RGB")), frame, atol=8)
    assert times == [200, 200, 1000]


@pytest.mark.parametrize("size", [(16, 24), (15, 23)])
def test_a_video_shows_its_frames_at_their_times(tmp_path, size):
    path = tmp_path / "film.mp4"
    frames = [np.full((*size, 3), (value, 50, 0), np.uint8) for value in (0, 100, 200)]
    Animation(frames, seconds=1.4).save(path)
    for seconds, value in ((0.1, 0), (0.3, 100), (0.5, 200), (1.3, 200)):
        shown = video.frame(path, seconds).picture
        assert shown.shape == (16, 24, 3)
        np.testing.assert_allclose(shown.mean(axis=(0, 1)), (value, 50, 0), atol=8)
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]


def test_it_plays_in_jupyter_and_says_what_it_is():
    film = Animation(FRAMES, seconds=2.0)
    assert repr(film) == "Animation(3 frames, 24x16, 2 s)"
    assert film._repr_html_().startswith('<img alt="Animation(3 frames, 24x16, 2 s)" src="data:')


def test_what_makes_no_film_is_refused(tmp_path):
    for frames, seconds, said in (([], 1.0, "frames: none"), (FRAMES, 0.0, "seconds: 0")):
        with pytest.raises(ValueError, match=said):
            Animation(frames, seconds)
    with pytest.raises(ValueError, match=r"film.mov: unknown suffix '.mov'; expected one of .gif,"):
        Animation(FRAMES, 1.0).save(tmp_path / "film.mov")
    assert list(tmp_path.iterdir()) == []
