"""Single files as people have them: which version they are, and what their text encoder is."""

from dataclasses import replace

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
