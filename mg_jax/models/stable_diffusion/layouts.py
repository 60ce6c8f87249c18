"""Layouts: the names of our parameters in published checkpoints.

A layout maps a parameter's path to the names that its array may have in a file. Our paths follow
diffusers; the original files name the same modules by their place in a list of blocks (CompVis'
latent-diffusion), and the text encoder of 2.x as OpenCLIP does.
"""

from collections.abc import Iterator

from mg_jax.checkpoints.parts import Layout
from mg_jax.models.stable_diffusion.config import UNetConfig, VAEConfig
from mg_jax.models.text.config import TextConfig

# The parts of OpenCLIP's fused projections, in the order of their rows.
FUSED = ("q_proj", "k_proj", "v_proj")

_LEAVES = {"kernel": "weight", "scale": "weight", "embedding": "weight", "bias": "bias"}
_LISTED = (
    (".to_out", ".to_out.0"),
    (".ff.expand", ".ff.net.0.proj"),
    (".ff.contract", ".ff.net.2"),
)
_FORMERLY = ((".to_q", ".query"), (".to_k", ".key"), (".to_v", ".value"), (".to_out", ".proj_attn"))
_RENAMED = {  # the autoencoder's attention in single files, and its later names there
    "norm": ("group_norm",),
    "q": ("to_q", "query"),
    "k": ("to_k", "key"),
    "v": ("to_v", "value"),
    "proj_out": ("to_out.0", "to_out", "proj_attn"),
}
CLIP_PREFIXES = (
    "cond_stage_model.transformer.",
    "cond_stage_model.model.transformer.",
    "cond_stage_model.model.",
    "cond_stage_model.",
)
"""What stands before transformers' names of the text encoder in single files; 1.x' own first."""


def diffusers_unet(path: str) -> tuple[str, ...]:
    """Return an array's name in diffusers' UNet2DConditionModel."""
    module, leaf = _split(path)
    return (f"{_replaced(module, _LISTED)}.{leaf}",)


def diffusers_vae(path: str) -> tuple[str, ...]:
    """Return an array's names in diffusers' AutoencoderKL; 0.15 renamed its attention."""
    module, leaf = _split(path)
    return tuple(f"{_replaced(module, renamed)}.{leaf}" for renamed in (_LISTED, _FORMERLY))


def transformers_text(path: str) -> tuple[str, ...]:
    """Return an array's names in transformers' CLIPTextModel; version 5 has no prefix."""
    module, leaf = _split(path)
    return (f"{module}.{leaf}", f"text_model.{module}.{leaf}")


def original_unet(config: UNetConfig) -> Layout:
    """Layout of the UNet in an original file: `model.diffusion_model`."""
    return _by_table("model.diffusion_model.", dict(_unet(config)))


def original_vae(config: VAEConfig, prefix: str = "first_stage_model.") -> Layout:
    """Layout of the autoencoder in an original file.

    Its attention may have the names that diffusers gave it later, in files converted back.
    """
    usual = _by_table(prefix, dict(_vae(config)))

    def names(path: str) -> tuple[str, ...]:
        (name,) = usual(path)
        if ".mid.attn_1." not in name:
            return (name,)
        start, _, layer = name.partition(".mid.attn_1.")
        module, _, leaf = layer.rpartition(".")
        return tuple(f"{start}.mid.attn_1.{one}.{leaf}" for one in (module, *_RENAMED[module]))

    return names


def original_clip(path: str) -> tuple[str, ...]:
    """Return a text encoder array's names in single files that have transformers', prefixed."""
    names = transformers_text(path)
    return tuple(f"{prefix}{name}" for prefix in CLIP_PREFIXES for name in names)


def original_open_clip(config: TextConfig) -> Layout:
    """Layout of the text encoder in an original 2.x file: OpenCLIP's.

    The parts of a fused projection have their own ending: `in_proj_weight.q_proj`.
    """
    prefix, table = "cond_stage_model.model.", dict(_open_clip(config))

    def names(path: str) -> tuple[str, ...]:
        module, leaf = _split(path)
        above, _, last = module.rpartition(".")
        if last == "position_embedding":  # a bare array
            return (f"{prefix}positional_embedding",)
        if last in FUSED:
            return (f"{prefix}{table[above]}.in_proj_{leaf}.{last}",)
        return (f"{prefix}{table[module]}.{leaf}",)

    return names


def _split(path: str) -> tuple[str, str]:
    module, _, leaf = path.rpartition(".")
    return module, _LEAVES[leaf]


def _replaced(module: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for ours, theirs in pairs:
        module = module.replace(ours, theirs)
    return module


def _by_table(prefix: str, table: dict[str, str]) -> Layout:
    """Layout that names a module by its nearest ancestor in the table; below that as diffusers."""

    def names(path: str) -> tuple[str, ...]:
        module, leaf = _split(path)
        above = module
        while above and above not in table:
            above = above.rpartition(".")[0]
        below = _replaced(module.removeprefix(above), _LISTED)
        return (f"{prefix}{table[above]}{below}.{leaf}",)

    return names


def _unet(config: UNetConfig) -> Iterator[tuple[str, str]]:
    yield "time_embedding.linear_1", "time_embed.0"
    yield "time_embedding.linear_2", "time_embed.2"
    yield "conv_in", "input_blocks.0.0"
    yield "conv_norm_out", "out.0"
    yield "conv_out", "out.2"
    blocks = config.layers + 1  # of a level in each list
    for level, attends in enumerate(reversed(config.attention)):
        for layer in range(blocks):
            theirs = f"output_blocks.{level * blocks + layer}"
            yield from _resnet(f"up_blocks.{level}.resnets.{layer}", f"{theirs}.0")
            yield f"up_blocks.{level}.attentions.{layer}", f"{theirs}.1"
        yield f"up_blocks.{level}.upsamplers.0.conv", f"{theirs}.{2 if attends else 1}.conv"
    for level in range(len(config.channels)):
        for layer in range(config.layers):
            theirs = f"input_blocks.{1 + level * blocks + layer}"
            yield from _resnet(f"down_blocks.{level}.resnets.{layer}", f"{theirs}.0")
            yield f"down_blocks.{level}.attentions.{layer}", f"{theirs}.1"
        last = f"input_blocks.{(level + 1) * blocks}"
        yield f"down_blocks.{level}.downsamplers.0.conv", f"{last}.0.op"
    yield from _resnet("mid_block.resnets.0", "middle_block.0")
    yield "mid_block.attentions.0", "middle_block.1"
    yield from _resnet("mid_block.resnets.1", "middle_block.2")


def _resnet(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    yield f"{ours}.norm1", f"{theirs}.in_layers.0"
    yield f"{ours}.conv1", f"{theirs}.in_layers.2"
    yield f"{ours}.time_emb_proj", f"{theirs}.emb_layers.1"
    yield f"{ours}.norm2", f"{theirs}.out_layers.0"
    yield f"{ours}.conv2", f"{theirs}.out_layers.3"
    yield f"{ours}.conv_shortcut", f"{theirs}.skip_connection"


def _vae(config: VAEConfig) -> Iterator[tuple[str, str]]:
    yield "quant_conv", "quant_conv"
    yield "post_quant_conv", "post_quant_conv"
    levels = len(config.channels)
    for half in ("encoder", "decoder"):
        yield f"{half}.conv_in", f"{half}.conv_in"
        yield f"{half}.conv_norm_out", f"{half}.norm_out"
        yield f"{half}.conv_out", f"{half}.conv_out"
        for place in (0, 1):
            yield f"{half}.mid_block.resnets.{place}", f"{half}.mid.block_{place + 1}"
        ours, theirs = f"{half}.mid_block.attentions.0", f"{half}.mid.attn_1"
        yield f"{ours}.group_norm", f"{theirs}.norm"
        yield f"{ours}.to_q", f"{theirs}.q"
        yield f"{ours}.to_k", f"{theirs}.k"
        yield f"{ours}.to_v", f"{theirs}.v"
        yield f"{ours}.to_out", f"{theirs}.proj_out"
    for level in range(levels):
        ours, theirs = f"encoder.down_blocks.{level}", f"encoder.down.{level}"
        yield from _vae_level(ours, theirs, config.layers)
        yield f"{ours}.downsamplers.0.conv", f"{theirs}.downsample.conv"
        # Their decoder counts its levels from the image, ours from the latent.
        ours, theirs = f"decoder.up_blocks.{level}", f"decoder.up.{levels - 1 - level}"
        yield from _vae_level(ours, theirs, config.layers + 1)
        yield f"{ours}.upsamplers.0.conv", f"{theirs}.upsample.conv"


def _vae_level(ours: str, theirs: str, layers: int) -> Iterator[tuple[str, str]]:
    for layer in range(layers):
        yield f"{ours}.resnets.{layer}", f"{theirs}.block.{layer}"
        yield f"{ours}.resnets.{layer}.conv_shortcut", f"{theirs}.block.{layer}.nin_shortcut"


def _open_clip(config: TextConfig) -> Iterator[tuple[str, str]]:
    yield "embeddings.token_embedding", "token_embedding"
    yield "final_layer_norm", "ln_final"
    for layer in range(config.layers):
        ours, theirs = f"encoder.layers.{layer}", f"transformer.resblocks.{layer}"
        yield f"{ours}.layer_norm1", f"{theirs}.ln_1"
        yield f"{ours}.layer_norm2", f"{theirs}.ln_2"
        yield f"{ours}.mlp.fc1", f"{theirs}.mlp.c_fc"
        yield f"{ours}.mlp.fc2", f"{theirs}.mlp.c_proj"
        yield f"{ours}.self_attn", f"{theirs}.attn"
        yield f"{ours}.self_attn.out_proj", f"{theirs}.attn.out_proj"
