"""How near a picture is to the true answer: over the whole picture and inside the edit region."""

import numpy as np
from jaxtyping import Bool, Float, UInt8

# PSNR of equal pictures, in decibels: finite, so that means over cases are.
EQUAL = 100.0
_SIGMA = 1.5  # of structural similarity's Gaussian windows, pixels (Wang et al. 2004)


def compare(
    picture: UInt8[np.ndarray, "h w 3"],
    answer: UInt8[np.ndarray, "h w 3"],
    region: Bool[np.ndarray, "h w"],
) -> dict[str, float]:
    """Score a picture against the true one; `region`, not empty, is where it was free to change.

    psnr, psnr_region: peak signal-to-noise ratio, decibels, at most 100 (no difference).
    ssim, ssim_region: structural similarity (Gaussian windows, mean of the colours), at most 1.
    """
    similarity = _similarity(picture, answer)
    return {
        "psnr": psnr(picture, answer),
        "psnr_region": psnr(picture[region], answer[region]),
        "ssim": float(similarity.mean()),
        "ssim_region": float(similarity[region].mean()),
    }


def psnr(picture: UInt8[np.ndarray, "*n 3"], answer: UInt8[np.ndarray, "*n 3"]) -> float:
    """Peak signal-to-noise ratio of pixels, in decibels, at most 100 (no difference)."""
    error = float(np.square(picture.astype(np.float64) - answer).mean())
    return min(EQUAL, 10 * np.log10(255**2 / error)) if error > 0 else EQUAL


def _similarity(
    picture: UInt8[np.ndarray, "h w 3"], answer: UInt8[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w"]:
    from skimage.metrics import structural_similarity  # takes long to import

    _, full = structural_similarity(  # type: ignore[no-untyped-call]
        picture,
        answer,
        channel_axis=2,
        gaussian_weights=True,
        sigma=_SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return np.asarray(full.mean(axis=-1))
