"""What stands in checkpoints besides the networks' parameters: what is left out, and what may not.

What trainers store beside the networks is harmless. An array within a block that a network has, and
that the network does not know, is not: it would change what the block computes.
"""

import re
from collections import Counter
from collections.abc import Iterable

_SCHEDULE = (
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "logvar",
    "lvlb_weights",
    "denoiser.sigmas",
)
# The first pattern that a whole name matches says its sort.
_SORTS = {
    "moving averages of the UNet": r"model_ema\..*",
    "noise levels": "|".join(map(re.escape, _SCHEDULE)),
    "position numbers": r"(.*\.)?embeddings\.position_ids",
    "projections of the whole text": r"(.*\.)?(logit_scale|(text|visual)_projection)(\.weight)?",
    "the last layer of OpenCLIP, which 2.x leaves out": r".*\.transformer\.resblocks\.23\..*",
    "text layers after the last that is read": r".*(encoder\.layers|resblocks)\.\d+\..*",
    "training of the autoencoder": r"first_stage_model\.(loss|model_ema)\..*|loss\..*",
    "a trainer's notes": (
        r"(optimizer|lr_scheduler|callback|hparams|hyper_parameters|loops|epoch|global_step"
        r"|pytorch-lightning_version).*"
    ),
}
_OTHERS = "other arrays"

_DIFFUSERS_UNET = "conv_in|time_embedding|down_blocks|mid_block|up_blocks|conv_norm_out|conv_out"
_ADDED = "class_embedding|add_embedding|encoder_hid_proj|position_net"  # further inputs
_DIFFUSERS_HALF = "conv_in|down_blocks|mid_block|up_blocks|conv_norm_out|conv_out"
_QUANT = "quant_conv|post_quant_conv"

DIFFUSERS_UNET = re.compile(rf"({_DIFFUSERS_UNET}|{_ADDED})\.")
DIFFUSERS_VAE = re.compile(rf"((encoder|decoder)\.({_DIFFUSERS_HALF})|{_QUANT})\.")
ORIGINAL_UNET = re.compile(
    r"model\.diffusion_model\.(time_embed|input_blocks|middle_block|output_blocks|out|label_emb)\."
)
ORIGINAL_VAE = re.compile(
    rf"(first_stage_model\.)?((encoder|decoder)\.(conv_in|down|mid|up|norm_out|conv_out)|{_QUANT})\."
)
"""Where an unknown array of a network changes what it computes."""


def text(layers: int) -> re.Pattern[str]:
    """Where an unknown array of a text encoder changes what it computes, if `layers` are read."""
    numbers = "|".join(map(str, range(layers)))
    return re.compile(rf"(.*\.)?(encoder\.layers|transformer\.resblocks)\.({numbers})\.")


def counted(names: Iterable[str]) -> dict[str, int]:
    """Count what is left out, by sort."""
    return dict(Counter(map(_sort, names)))


def _sort(name: str) -> str:
    matching = (sort for sort, pattern in _SORTS.items() if re.fullmatch(pattern, name))
    return next(matching, _OTHERS)
