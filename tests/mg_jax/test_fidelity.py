"""Fidelity to the true answer: laws and closed forms."""

import numpy as np
import pytest

from mg_jax import fidelity

H, W = 40, 48
RNG = np.random.default_rng(0)
ANSWER = RNG.integers(30, 220, (H, W, 3), dtype=np.uint8)
REGION = np.zeros((H, W), bool)
REGION[10:30, 5:25] = True
KEYS = {"psnr", "psnr_region", "ssim", "ssim_region"}


def test_the_answer_itself_is_best():
    scores = fidelity.compare(ANSWER, ANSWER, REGION)
    assert set(scores) == KEYS
    assert scores["psnr"] == scores["psnr_region"] == fidelity.EQUAL
    assert scores["ssim"] == pytest.approx(1)
    assert scores["ssim_region"] == pytest.approx(1)


def test_an_error_of_known_size():
    scores = fidelity.compare(ANSWER + np.uint8(16), ANSWER, REGION)
    assert scores["psnr"] == pytest.approx(20 * np.log10(255 / 16))
    assert scores["psnr_region"] == pytest.approx(scores["psnr"])


def test_an_error_in_the_region_weighs_more_there():
    picture = ANSWER.copy()
    picture[REGION] += np.uint8(16)
    scores = fidelity.compare(picture, ANSWER, REGION)
    assert scores["psnr_region"] == pytest.approx(20 * np.log10(255 / 16))
    share = REGION.mean()
    assert scores["psnr"] == pytest.approx(scores["psnr_region"] - 10 * np.log10(share))
    assert scores["ssim_region"] < scores["ssim"] < 1


def test_an_error_outside_the_region_does_not_count_in_it():
    picture = ANSWER.copy()
    picture[-2:] = 0
    scores = fidelity.compare(picture, ANSWER, REGION)
    assert scores["psnr_region"] == fidelity.EQUAL
    assert scores["psnr"] < 30
    assert scores["ssim_region"] == pytest.approx(1)


def test_more_noise_is_farther():
    noise = RNG.normal(size=ANSWER.shape)
    near, far = (
        fidelity.compare(np.clip(ANSWER + size * noise, 0, 255).astype(np.uint8), ANSWER, REGION)
        for size in (2, 20)
    )
    assert all(far[key] < near[key] < fidelity.EQUAL for key in KEYS)
