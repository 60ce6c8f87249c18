"""Names of published checkpoints, listed here in full by hand, are those that layouts give."""

import itertools
import re

import pytest

from mg_jax.models.stable_diffusion import layouts
from mg_jax.models.stable_diffusion.config import V1, V2

BOTH = "{weight,bias}"
TRANSFORMER = (
    "{norm,proj_in,proj_out,transformer_blocks.0.{norm1,norm2,norm3,attn1.to_out.0,attn2.to_out.0,"
    "ff.net.0.proj,ff.net.2}}." + BOTH,
    "transformer_blocks.0.{attn1,attn2}.{to_q,to_k,to_v}.weight",
)
RESNET = "{norm1,conv1,time_emb_proj,norm2,conv2}." + BOTH
THEIR_RESNET = "{in_layers.0,in_layers.2,emb_layers.1,out_layers.0,out_layers.3}." + BOTH

UNET = [
    "{conv_in,conv_norm_out,conv_out,time_embedding.linear_1,time_embedding.linear_2}." + BOTH,
    "down_blocks.{0,1,2,3}.resnets.{0,1}." + RESNET,
    "down_blocks.{1,2}.resnets.0.conv_shortcut." + BOTH,
    "down_blocks.{0,1,2}.downsamplers.0.conv." + BOTH,
    "mid_block.resnets.{0,1}." + RESNET,
    "up_blocks.{0,1,2,3}.resnets.{0,1,2}." + RESNET,
    "up_blocks.{0,1,2,3}.resnets.{0,1,2}.conv_shortcut." + BOTH,
    "up_blocks.{0,1,2}.upsamplers.0.conv." + BOTH,
    *(
        "{down_blocks.{0,1,2}.attentions.{0,1},mid_block.attentions.0,"
        "up_blocks.{1,2,3}.attentions.{0,1,2}}." + inner
        for inner in TRANSFORMER
    ),
]
ORIGINAL_UNET = [
    "{time_embed.0,time_embed.2,input_blocks.0.0,out.0,out.2}." + BOTH,
    "input_blocks.{1,2,4,5,7,8,10,11}.0." + THEIR_RESNET,
    "input_blocks.{4,7}.0.skip_connection." + BOTH,
    "input_blocks.{3,6,9}.0.op." + BOTH,
    "middle_block.{0,2}." + THEIR_RESNET,
    "output_blocks.{0,1,2,3,4,5,6,7,8,9,10,11}.0." + THEIR_RESNET,
    "output_blocks.{0,1,2,3,4,5,6,7,8,9,10,11}.0.skip_connection." + BOTH,
    "output_blocks.{2.1,5.2,8.2}.conv." + BOTH,
    *(
        "{input_blocks.{1,2,4,5,7,8}.1,middle_block.1,output_blocks.{3,4,5,6,7,8,9,10,11}.1}."
        + inner
        for inner in TRANSFORMER
    ),
]
VAE_RESNET = "{norm1,conv1,norm2,conv2}." + BOTH
VAE = [
    "{{encoder,decoder}.{conv_in,conv_norm_out,conv_out},quant_conv,post_quant_conv}." + BOTH,
    "{encoder,decoder}.mid_block.resnets.{0,1}." + VAE_RESNET,
    "{encoder,decoder}.mid_block.attentions.0.{group_norm,to_q,to_k,to_v,to_out.0}." + BOTH,
    "encoder.down_blocks.{0,1,2,3}.resnets.{0,1}." + VAE_RESNET,
    "encoder.down_blocks.{1,2}.resnets.0.conv_shortcut." + BOTH,
    "encoder.down_blocks.{0,1,2}.downsamplers.0.conv." + BOTH,
    "decoder.up_blocks.{0,1,2,3}.resnets.{0,1,2}." + VAE_RESNET,
    "decoder.up_blocks.{2,3}.resnets.0.conv_shortcut." + BOTH,
    "decoder.up_blocks.{0,1,2}.upsamplers.0.conv." + BOTH,
]
ORIGINAL_VAE = [
    "{{encoder,decoder}.{conv_in,norm_out,conv_out},quant_conv,post_quant_conv}." + BOTH,
    "{encoder,decoder}.mid.{block_1,block_2}." + VAE_RESNET,
    "{encoder,decoder}.mid.attn_1.{norm,q,k,v,proj_out}." + BOTH,
    "encoder.down.{0,1,2,3}.block.{0,1}." + VAE_RESNET,
    "encoder.down.{1,2}.block.0.nin_shortcut." + BOTH,
    "encoder.down.{0,1,2}.downsample.conv." + BOTH,
    "decoder.up.{0,1,2,3}.block.{0,1,2}." + VAE_RESNET,
    "decoder.up.{0,1}.block.0.nin_shortcut." + BOTH,
    "decoder.up.{1,2,3}.upsample.conv." + BOTH,
]
TEXT_LAYER = (
    "{layer_norm1,layer_norm2,mlp.fc1,mlp.fc2,"
    "self_attn.q_proj,self_attn.k_proj,self_attn.v_proj,self_attn.out_proj}." + BOTH
)


def text(layers):
    return [
        "embeddings.{token_embedding,position_embedding}.weight",
        "final_layer_norm." + BOTH,
        *(f"encoder.layers.{i}.{TEXT_LAYER}" for i in range(layers)),
    ]


def open_clip(layers):
    inner = (
        "{ln_1,ln_2,mlp.c_fc,mlp.c_proj,attn.out_proj}." + BOTH,
        "attn.{in_proj_weight,in_proj_bias}.{q_proj,k_proj,v_proj}",
    )
    return [
        "{token_embedding.weight,positional_embedding}",
        "ln_final." + BOTH,
        *(f"transformer.resblocks.{i}.{one}" for i in range(layers) for one in inner),
    ]


def expand(pattern):
    """All strings of a pattern with {alternatives,between,braces}, as a shell has them."""
    start = pattern.find("{")
    if start < 0:
        return [pattern]
    depth, cuts = 0, [start]
    for i in range(start, len(pattern)):
        depth += {"{": 1, "}": -1}.get(pattern[i], 0)
        if (pattern[i] == "," and depth == 1) or depth == 0:
            cuts.append(i)
        if depth == 0:
            break
    rest = expand(pattern[cuts[-1] + 1 :])
    choices = [expand(pattern[a + 1 : b]) for a, b in itertools.pairwise(cuts)]
    return [pattern[:start] + one + end for one in itertools.chain(*choices) for end in rest]


def listed(patterns, prefix=""):
    names = [prefix + name for pattern in patterns for name in expand(pattern)]
    assert len(names) == len(set(names))
    return set(names)


def ours(patterns):
    """Our paths, from the names that diffusers and transformers give."""
    paths = set()
    for name in listed(patterns):
        for old, new in (
            (".to_out.0", ".to_out"),
            (".net.0.proj", ".expand"),
            (".net.2", ".contract"),
        ):
            name = name.replace(old, new)
        norm = re.search(r"norm\w*\.weight$|_norm\.weight$|norm\d\.weight$", name)
        leaf = "embedding" if "_embedding.weight" in name else "scale" if norm else "kernel"
        paths.add(re.sub("weight$", leaf, name))
    return paths


def given(layout, paths, place=0):
    names = [layout(path)[place] for path in paths]
    assert len(set(names)) == len(names)
    return set(names)


def test_braces():
    assert expand("a{b,c{d,e}}.{f,}") == ["ab.f", "ab.", "acd.f", "acd.", "ace.f", "ace."]


def test_the_lists_are_as_long_as_published_checkpoints():
    """686 + 248 + 196 arrays, with the position numbers 1131, are those of every 1.x file."""
    assert len(listed(UNET)) == len(listed(ORIGINAL_UNET)) == 686
    assert len(listed(VAE)) == len(listed(ORIGINAL_VAE)) == 248
    assert (len(listed(text(12))), len(listed(text(23)))) == (196, 372)


def test_diffusers_folders():
    assert given(layouts.diffusers_unet, ours(UNET)) == listed(UNET)
    assert given(layouts.diffusers_vae, ours(VAE)) == listed(VAE)
    assert given(layouts.transformers_text, ours(text(12))) == listed(text(12))
    assert given(layouts.transformers_text, ours(text(12)), 1) == listed(text(12), "text_model.")


def test_attention_of_old_autoencoders():
    start = "decoder.mid_block.attentions.0"
    former = {
        f"{start}.{new}.{leaf}": f"{start}.{old}.{their}"
        for new, old in {
            "to_q": "query",
            "to_k": "key",
            "to_v": "value",
            "to_out": "proj_attn",
            "group_norm": "group_norm",
        }.items()
        for leaf, their in (("kernel", "weight"), ("bias", "bias"))
    }
    assert {path: layouts.diffusers_vae(path)[1] for path in former} == former


@pytest.mark.parametrize("config", [V1, V2], ids=["1.x", "2.x"])
def test_original_files(config):
    unet, vae = layouts.original_unet(config.unet), layouts.original_vae(config.vae)
    assert given(unet, ours(UNET)) == listed(ORIGINAL_UNET, "model.diffusion_model.")
    assert given(vae, ours(VAE)) == listed(ORIGINAL_VAE, "first_stage_model.")


def test_original_text_encoders():
    first = "cond_stage_model.transformer."
    assert given(layouts.original_clip, ours(text(12))) == listed(text(12), first)
    assert given(layouts.original_clip, ours(text(12)), 1) == listed(
        text(12), f"{first}text_model."
    )
    second = layouts.original_open_clip(V2.text)
    assert given(second, ours(text(23))) == listed(open_clip(23), "cond_stage_model.model.")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("down_blocks.1.resnets.0.conv_shortcut.kernel", "input_blocks.4.0.skip_connection.weight"),
        ("down_blocks.2.attentions.1.norm.scale", "input_blocks.8.1.norm.weight"),
        ("down_blocks.2.downsamplers.0.conv.bias", "input_blocks.9.0.op.bias"),
        ("mid_block.resnets.1.norm2.scale", "middle_block.2.out_layers.0.weight"),
        ("up_blocks.0.upsamplers.0.conv.kernel", "output_blocks.2.1.conv.weight"),
        ("up_blocks.1.upsamplers.0.conv.kernel", "output_blocks.5.2.conv.weight"),
        (
            "up_blocks.3.attentions.2.transformer_blocks.0.ff.expand.kernel",
            "output_blocks.11.1.transformer_blocks.0.ff.net.0.proj.weight",
        ),
        (
            "mid_block.attentions.0.transformer_blocks.0.norm1.scale",
            "middle_block.1.transformer_blocks.0.norm1.weight",
        ),
    ],
)
def test_single_names_of_the_unet(path, name):
    assert layouts.original_unet(V1.unet)(path) == (f"model.diffusion_model.{name}",)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("decoder.up_blocks.0.resnets.2.conv1.kernel", "decoder.up.3.block.2.conv1.weight"),
        (
            "decoder.up_blocks.3.resnets.0.conv_shortcut.bias",
            "decoder.up.0.block.0.nin_shortcut.bias",
        ),
        ("encoder.down_blocks.1.resnets.1.norm1.scale", "encoder.down.1.block.1.norm1.weight"),
        ("encoder.mid_block.attentions.0.to_out.kernel", "encoder.mid.attn_1.proj_out.weight"),
    ],
)
def test_single_names_of_the_autoencoder(path, name):
    assert layouts.original_vae(V1.vae)(path)[0] == f"first_stage_model.{name}"


@pytest.mark.parametrize("half", ["encoder", "decoder"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("group_norm.scale", ["norm.weight", "group_norm.weight"]),
        ("to_q.kernel", ["q.weight", "to_q.weight", "query.weight"]),
        ("to_k.bias", ["k.bias", "to_k.bias", "key.bias"]),
        ("to_v.kernel", ["v.weight", "to_v.weight", "value.weight"]),
        (
            "to_out.kernel",
            ["proj_out.weight", "to_out.0.weight", "to_out.weight", "proj_attn.weight"],
        ),
    ],
)
def test_the_autoencoders_attention_in_files_that_were_converted_back(half, ours, theirs):
    names = layouts.original_vae(V1.vae)(f"{half}.mid_block.attentions.0.{ours}")
    assert names == tuple(f"first_stage_model.{half}.mid.attn_1.{name}" for name in theirs)
