"""Single files that hold another model than Stable Diffusion 1.x or 2.x, or not all of one."""

from collections.abc import Mapping
from pathlib import Path

from mg_jax.checkpoints.arrays import Stored

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."
"""What the names of each network's arrays begin with."""

_SGM = "conditioner.embedders."  # Stability AI's later programs
_FOREIGN = {  # the first that is there says what a file holds
    f"{_SGM}1.": "Stable Diffusion XL",
    f"{_SGM}0.transformer.": "Stable Diffusion XL",
    f"{UNET}label_emb.": "a UNet with class embeddings, as Stable Diffusion XL's",
    f"{_SGM}0.model.": "SD Turbo, which is 2.1 distilled to a few steps",
    _SGM: "another model of Stability AI's",
    f"{UNET}joint_blocks.": "Stable Diffusion 3",
    "joint_blocks.": "Stable Diffusion 3",
    f"{UNET}double_blocks.": "Flux",
    "double_blocks.": "Flux",
    "control_model.": "a ControlNet",
    "lora_": "a LoRA, a change to another model",
    "depth_model.": "depth-to-image",
    "scaled_fp8": "8-bit numbers with scales of their own, which are not read",
}
_SINGLE_NETWORKS = ("down_blocks.", "encoder.down_blocks.", "text_model.")

# Arrays, with no content, that mark other noise levels.
_OTHER_NOISE = ("ztsnr", "edm_vpred.sigma_max", "edm_vpred.sigma_min", "edm_mean", "edm_std")
_ALPHAS = "alphas_cumprod"
_LEAST_ALPHA = 1e-3  # ours end at .0047


def check_kind(path: Path, given: Mapping[str, Stored], with_vae: bool) -> None:
    """Raise ValueError, one line, when a file holds another model, or not all three networks.

    `with_vae`: the autoencoder is from elsewhere.
    """

    def there(start: str) -> bool:
        return any(name.startswith(start) for name in given)

    for start, what in _FOREIGN.items():
        if there(start):
            raise ValueError(f"{path}: holds {what}; expected Stable Diffusion 1.x or 2.x")
    if not there(UNET) and any(map(there, _SINGLE_NETWORKS)):
        raise ValueError(
            f"{path}: holds one network of a diffusers folder, which is the thing to name;"
            " expected Stable Diffusion 1.x or 2.x"
        )
    parts = {UNET: "UNet", VAE: "autoencoder", TEXT: "text encoder"}
    missing = {start: what for start, what in parts.items() if not there(start)}
    if with_vae:
        missing.pop(VAE, None)
    if missing:
        listed = ", ".join(f"no {what} ({start}*)" for start, what in missing.items())
        remedy = "; name one by --vae" if set(missing) == {VAE} else ""
        raise ValueError(
            f"{path}: holds {listed}; expected a whole Stable Diffusion 1.x or 2.x{remedy}"
        )


def check_noise(path: Path, given: Mapping[str, Stored]) -> None:
    """Raise ValueError, one line, when a model was trained on other noise levels than ours."""
    marks = [name for name in given if name in _OTHER_NOISE]
    last = given.get(_ALPHAS)
    if last is not None and len(last.shape) == 1 and last.shape[0]:
        value = float(last.read()[-1])
        marks += [f"{_ALPHAS} that ends at {value:.2g}"] if value < _LEAST_ALPHA else []
    if marks:
        raise ValueError(
            f"{path}: holds {', '.join(marks)}: of a model trained up to pure noise (zero-SNR), or"
            " on other noise levels; expected those of Stable Diffusion 1.x or 2.x"
        )
