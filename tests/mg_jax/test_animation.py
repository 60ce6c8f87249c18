"""Films: their frames and times come back from the file."""

import numpy as np
import pytest
from PIL import Image

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


def test_it_plays_in_jupyter_and_says_what_it_is():
    film = Animation(FRAMES, seconds=2.0)
    assert repr(film) == "Animation(3 frames, 24x16, 2 s)"
    assert film._repr_html_().startswith('<img alt="Animation(3 frames, 24x16, 2 s)" src="data:')


def test_what_makes_no_film_is_refused(tmp_path):
    for frames, seconds, said in (([], 1.0, "frames: none"), (FRAMES, 0.0, "seconds: 0")):
        with pytest.raises(ValueError, match=said):
            Animation(frames, seconds)
    with pytest.raises(ValueError, match=r"film.mp4: unknown suffix '.mp4'; expected .gif or"):
        Animation(FRAMES, 1.0).save(tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []
