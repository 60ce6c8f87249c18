"""Single files as people have them: which version they are, and what their text encoder is."""

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from mg_jax.checkpoints import parts
from mg_jax.models.stable_diffusion import checkpoint, loading
from mg_jax.models.stable_diffusion.config import Config, UNetConfig, VAEConfig
from mg_jax.models.text.config import TextConfig

from . import published
from .published import FIRST, SECOND

# The published files' width of texts and of a head, as small as they can be else.
CHANNELS = (64, 128)
SMALL_VAE = VAEConfig((32, 32), layers=1)


def small(version):
    width, heads, layers, activation = {
        1: (768, (8, 8), 12, "quick_gelu"),
        2: (1024, (1, 2), 23, "gelu"),
    }[version]
    text = TextConfig(width, layers, width // 64, 32, activation, vocabulary=8)
    unet = UNetConfig(CHANNELS, heads, (True, False), context=width, layers=1)
    return Config(unet, SMALL_VAE, text, "epsilon")


def zeros(config):
    """Arrays of zeros, which take no memory."""
    return {
        network: {
            path: np.broadcast_to(np.float16(0), one.shape)
            for path, one in parts.paths(params).items()
        }
        for network, params in checkpoint.shapes(config)._asdict().items()
    }


@pytest.fixture(scope="module")
def files():
    return {
        version: published.original(small(version), zeros(small(version))) for version in (1, 2)
    }


def write(path, arrays):
    safetensors.numpy.save_file({n: np.ascontiguousarray(a) for n, a in arrays.items()}, path)
    return path


def with_transformers_names(arrays, config, prefix):
    """The text encoder of a file under the names of transformers."""
    kept = {n: a for n, a in arrays.items() if not n.startswith("cond_stage_model.")}
    text = published.named(config, zeros(config))["text_encoder"]
    return kept | {f"{prefix}{name.removeprefix('text_model.')}": a for name, a in text.items()}


def turned(arrays):
    """Projections of the UNet as convolutions instead of linear layers, and the reverse."""
    return {
        name: (a[..., None, None] if a.ndim == 2 else a[..., 0, 0])
        if name.endswith((".proj_in.weight", ".proj_out.weight"))
        else a
        for name, a in arrays.items()
    }


@pytest.mark.parametrize("turn", [lambda arrays: arrays, turned], ids=["usual", "turned"])
@pytest.mark.parametrize("version", [1, 2])
def test_the_width_of_the_texts_says_which_version_it_is(tmp_path, files, version, turn):
    found = loading.inspect(write(tmp_path / "a.safetensors", turn(files[version])))
    assert found.config == small(version)
    assert found.kind == f"original single file, {version}.x"


@pytest.mark.parametrize(
    "prefix",
    [
        "cond_stage_model.transformer.text_model.",
        "cond_stage_model.transformer.",
        "cond_stage_model.model.transformer.text_model.",
        "cond_stage_model.text_model.",
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_text_encoder_under_transformers_names(tmp_path, files, version, prefix):
    arrays = with_transformers_names(files[version], small(version), prefix)
    assert loading.inspect(write(tmp_path / "a.safetensors", arrays)).config == small(version)


def test_openclips_last_layer_is_not_read_under_transformers_names_either(tmp_path, files):
    longer = replace(small(2), text=replace(small(2).text, layers=24))
    prefix = "cond_stage_model.transformer.text_model."
    arrays = with_transformers_names(files[2], longer, prefix)
    found = loading.inspect(write(tmp_path / "a.safetensors", arrays))
    assert found.config == small(2)
    assert found.unused["text layers after the last that is read"] == 16


@pytest.mark.parametrize(("config", "version"), [(FIRST, 1), (SECOND, 2)])
def test_of_other_widths_the_text_encoder_says_it(tmp_path, config, version):
    arrays = turned(published.original(config, zeros(config)))
    found = loading.inspect(write(tmp_path / "a.safetensors", arrays))
    assert found.kind == f"original single file, {version}.x"
    assert found.config.unet == config.unet


def test_texts_of_another_width_than_the_unet_reads_are_refused(tmp_path, files):
    kept = {n: a for n, a in files[2].items() if not n.startswith("cond_stage_model.")}
    text = {n: a for n, a in files[1].items() if n.startswith("cond_stage_model.")}
    file = write(tmp_path / "a.safetensors", kept | text)
    with pytest.raises(ValueError, match=r"unet\.context is 1024; expected text\.width, 768"):
        loading.inspect(file)


def test_two_text_encoders_are_refused(tmp_path):
    """Each parameter is named that two arrays would fill."""
    drawn = published.draw(SECOND)
    arrays = published.original(SECOND, drawn)
    text = published.named(SECOND, drawn)["text_encoder"]
    arrays |= {f"cond_stage_model.transformer.{name}": array for name, array in text.items()}
    file = write(tmp_path / "a.safetensors", arrays)
    with pytest.raises(ValueError, match="both fill it") as caught:
        loading.load(file)
    assert str(caught.value).count("both fill it") == len(drawn["text"])


@pytest.mark.parametrize(
    "name",
    [
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
        "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight",
        "first_stage_model.encoder.down.0.block.0.conv2.weight",
    ],
)
def test_an_array_that_decides_sizes_and_has_none_is_named(tmp_path, files, name):
    flat = files[1] | {name: np.zeros(3, np.float32)}
    file = write(tmp_path / "a.safetensors", flat)
    with pytest.raises(ValueError, match=f"a.safetensors: {name}: shape .3,., expected . axes$"):
        loading.inspect(file)


@pytest.fixture(scope="module")
def whole():
    """A small 1.x file's drawn parameters, its arrays, and those of a 2.x file."""
    drawn = published.draw(FIRST)
    return drawn, published.original(FIRST, drawn)


def attention_renamed(arrays, names, axes):
    """The autoencoder's attention under other names, its weights with so many axes."""
    found = {}
    for name, array in arrays.items():
        start, attention, layer = name.partition(".mid.attn_1.")
        if attention:
            module, _, leaf = layer.rpartition(".")
            name = f"{start}{attention}{names.get(module, module)}.{leaf}"
            if array.ndim > 1:
                array = array.reshape(array.shape[:2] + (1,) * (axes - 2))
        found[name] = array
    return found


@pytest.mark.parametrize("axes", [2, 4])
@pytest.mark.parametrize(
    "names",
    [
        {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"},
        {"q": "query", "k": "key", "v": "value", "proj_out": "proj_attn", "norm": "group_norm"},
        {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0", "norm": "group_norm"},
    ],
)
def test_the_autoencoders_attention_under_later_names(tmp_path, whole, names, axes):
    drawn, arrays = whole
    file = write(tmp_path / "a.safetensors", attention_renamed(arrays, names, axes))
    assert published.same(published.values(loading.load(file).weights), drawn)


# What trainers, mergers and converters leave in files, and its sort.
LEFT = {
    "embedding_manager.embedder.position_embeddings": "other arrays",
    "denoiser.sigmas": "noise levels",
    "sqrt_alphas_cumprod": "noise levels",
    "cond_stage_model.transformer.vision_model.embeddings.position_ids": "position numbers",
    "cond_stage_model.model.transformer.text_model.embeddings.position_ids": "position numbers",
    "safety_checker.vision_model.embeddings.position_ids": "position numbers",
    "safety_checker.concept_embeds": "other arrays",
    "first_stage_model.loss.logvar": "training of the autoencoder",
    "first_stage_model.loss.perceptual_loss.lin0.model.1.weight": "training of the autoencoder",
    "first_stage_model.model_ema.decay": "training of the autoencoder",
    "first_stage_model.extra": "other arrays",
    "cond_stage_model.transformer.text_projection.weight": "projections of the whole text",
    "cond_stage_model.logit_scale": "projections of the whole text",
    "model_ema.diffusion_modelinput_blocks00weight": "moving averages of the UNet",
    "model.diffusion_model.extra": "other arrays",
    "scale_factor": "other arrays",
    "v_pred": "other arrays",
    "optimizer_states.0.exp_avg": "a trainer's notes",
    "callbacks.best_model_score": "a trainer's notes",
    "odd": "other arrays",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_no_network_needs_is_left_out_and_counted(tmp_path, whole, name):
    drawn, arrays = whole
    file = write(tmp_path / "a.safetensors", arrays | {name: np.zeros(1, np.float32)})
    plain = write(tmp_path / "b.safetensors", arrays)
    before, found = loading.inspect(plain).unused, loading.inspect(file)
    assert found.unused == before | {LEFT[name]: before.get(LEFT[name], 0) + (name not in arrays)}
    assert f"{LEFT[name]} ({found.unused[LEFT[name]]})" in found.origin.lines()[-1]
    if name in ("scale_factor", "first_stage_model.extra"):
        assert published.same(published.values(loading.load(file).weights), drawn)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float32])
def test_position_numbers_may_be_of_any_type(tmp_path, whole, dtype):
    name = "cond_stage_model.model.transformer.text_model.embeddings.position_ids"
    file = write(tmp_path / "a.safetensors", whole[1] | {name: np.arange(77, dtype=dtype)[None]})
    assert loading.inspect(file).unused["position numbers"] == 2


@pytest.mark.parametrize(
    "name",
    [
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.1.norm1.weight",
        "model.diffusion_model.input_blocks.9.0.in_layers.0.weight",
        "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.bias",
        "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.lora_up.weight",
        "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k_ip.weight",
        "model.diffusion_model.out.2.scale_weight",
        "model.diffusion_model.time_embed.cond_proj.weight",
        "first_stage_model.decoder.up.5.block.0.norm1.weight",
        "first_stage_model.encoder.mid.attn_1.q.weight_scale",
        "first_stage_model.quant_conv.extra",
        "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight",
    ],
)
def test_what_would_change_a_network_is_not_left_out(tmp_path, whole, name):
    file = write(tmp_path / "a.safetensors", whole[1] | {name: np.zeros(1, np.float32)})
    with pytest.raises(ValueError, match=f"{name}: no parameter has this name"):
        loading.load(file)


def test_all_faults_of_all_networks_are_told_at_once(tmp_path, whole):
    arrays = dict(whole[1])
    del arrays["model.diffusion_model.out.2.bias"]
    arrays["first_stage_model.decoder.mid.attn_1.to_q.bias"] = np.zeros(32, np.float32)
    arrays["cond_stage_model.transformer.final_layer_norm.bias"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="do not fit") as caught:
        loading.load(write(tmp_path / "a.safetensors", arrays))
    for words in (
        "unet: conv_out.bias: no array fills this parameter",
        "vae: decoder.mid_block.attentions.0.to_q.bias: ",
        "text: cond_stage_model.transformer.final_layer_norm.bias: shape (3,), expected (16,)",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_a_file_of_8_bit_numbers_is_read(tmp_path, whole, dtype):
    """Of some programs the UNet is coarse, and the rest is not."""
    start = "model.diffusion_model."
    coarse = {n: a.astype(dtype) for n, a in whole[1].items() if n.startswith(start)}
    wide = {name: array.astype(np.float32) for name, array in coarse.items()}
    found, expected = (
        published.values(loading.load(write(tmp_path / name, whole[1] | arrays)).weights)
        for name, arrays in (("a.safetensors", coarse), ("b.safetensors", wide))
    )
    assert published.same(found, expected)


@pytest.mark.parametrize(
    ("value", "scale"), [(0.18215, 0.18215), (1.0, 0.18215), (np.nan, 0.18215), (0.25, 0.25)]
)
def test_a_scale_of_the_latents_that_is_stored_is_used(tmp_path, whole, value, scale):
    stored = {"scale_factor": np.asarray(value, np.float32)}
    found = loading.inspect(write(tmp_path / "a.safetensors", whole[1] | stored))
    assert found.config.vae.scale == scale
    assert any("latents are scaled by 0.25" in note for note in found.notes) == (scale == 0.25)


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["conditioner.embedders.0.model.ln_final.bias", "denoiser.sigmas"], "SD Turbo"),
        (["conditioner.embedders.0.transformer.x"], "Stable Diffusion XL"),
        (["conditioner.embedders.0.x", "conditioner.embedders.1.model.x"], "Stable Diffusion XL"),
        (
            ["conditioner.embedders.0.model.x", "model.diffusion_model.label_emb.0.0.weight"],
            "class embeddings, as Stable Diffusion XL's",
        ),
        (["conditioner.embedders.0.other.x"], "another model of Stability AI's"),
    ],
)
def test_other_models_of_stability_ai_are_named(tmp_path, names, what):
    arrays = dict.fromkeys(["model.diffusion_model.out.0.bias", *names], np.zeros(1, np.float32))
    with pytest.raises(ValueError, match=r"expected Stable Diffusion 1\.x or 2\.x$") as caught:
        loading.inspect(write(tmp_path / "a.safetensors", arrays))
    assert what in str(caught.value)


@pytest.mark.parametrize("name", ["dreamshaper-LCM", "sd_turbo-merge", "x-lightning"])
def test_a_name_of_a_distilled_model_is_noted(tmp_path, whole, name):
    (note,) = loading.inspect(write(tmp_path / f"{name}.safetensors", whole[1])).notes
    assert note.startswith(f"the name {name} sounds like a model distilled to a few steps")
