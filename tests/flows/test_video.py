"""Frames at their times, and files that have none."""

import cv2
import numpy as np
import pytest

from flows import video

H, W, RATE, COUNT = 64, 96, 10, 8
# What each frame is painted with, (red, green, blue); far enough apart for any codec.
COLOURS = [(20 + 25 * i, 230 - 25 * i, 40 + 60 * (i % 3)) for i in range(COUNT)]


@pytest.fixture(scope="module", params=[(".mp4", "mp4v"), (".avi", "MJPG")])
def clip(request, tmp_path_factory):
    suffix, codec = request.param
    path = tmp_path_factory.mktemp("clips") / f"clip{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), RATE, (W, H))
    assert writer.isOpened()
    for colour in COLOURS:
        writer.write(np.full((H, W, 3), colour[::-1], np.uint8))
    writer.release()
    return path


def test_each_time_has_its_frame_in_red_green_blue(clip):
    for index, colour in enumerate(COLOURS):
        found = video.frame(clip, index / RATE)
        assert found.picture.shape == (H, W, 3)
        np.testing.assert_allclose(found.picture.mean((0, 1)), colour, atol=8)
        assert found.seconds == pytest.approx(index / RATE, abs=1e-3)


def test_times_between_frames_get_the_nearest(clip):
    assert video.frame(clip, 0.34).seconds == pytest.approx(0.3, abs=1e-3)
    assert video.frame(clip, 0.36).seconds == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("seconds", [-0.1, 0.8, 1e9, float("nan"), float("inf")])
def test_a_time_outside_is_refused_with_the_last_one_there_is(clip, seconds):
    with pytest.raises(ValueError, match=r"from 0 to 0\.70 s") as caught:
        video.frame(clip, seconds)
    assert str(caught.value).startswith(f"{clip}: ")


def test_what_is_no_video_is_refused_in_one_line(clip, tmp_path):
    (tmp_path / "text.mp4").write_text("once upon a time " * 100)
    (tmp_path / f"cut{clip.suffix}").write_bytes(clip.read_bytes()[:40])
    for name, complaint in [
        ("text.mp4", "cannot be decoded"),
        (f"cut{clip.suffix}", "cannot be decoded"),
        ("none.mp4", "no such file"),
        ("", "is a folder"),
    ]:
        with pytest.raises(ValueError, match=complaint) as caught:
            video.frame(tmp_path / name, 0.0)
        assert "\n" not in str(caught.value)
