"""Checkpoints that diffusers, transformers and torch wrote, or converted, against our loading."""

from . import torchvision_operators  # noqa: F401 - before anything imports torchvision

# isort: split

import os
import pickle
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.loaders import single_file_utils

from mg_jax.checkpoints import parts
from mg_jax.checkpoints.arrays import Stored
from mg_jax.checkpoints.parts import Part
from mg_jax.models.stable_diffusion import checkpoint, layouts, loading
from mg_jax.models.stable_diffusion.config import TINY, V1, V2

from ..mg_jax.models.stable_diffusion import published
from ..mg_jax.models.stable_diffusion.published import FIRST, SECOND

CONFIGS = {"1.x": FIRST, "2.x": SECOND}


def networks(config):
    """Their three networks of a configuration of ours."""
    cross = [("CrossAttn" if one else "") for one in config.unet.attention]
    levels = len(config.vae.channels)
    unet = UNet2DConditionModel(
        block_out_channels=config.unet.channels,
        down_block_types=tuple(f"{one}DownBlock2D" for one in cross),
        up_block_types=tuple(f"{one}UpBlock2D" for one in reversed(cross)),
        layers_per_block=config.unet.layers,
        attention_head_dim=config.unet.heads,
        cross_attention_dim=config.unet.context,
        norm_num_groups=config.unet.groups,
        use_linear_projection=config.text.activation == "gelu",
    )
    vae = AutoencoderKL(
        block_out_channels=config.vae.channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=config.vae.layers,
        norm_num_groups=config.vae.groups,
    )
    text = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=config.text.vocabulary,
            hidden_size=config.text.width,
            intermediate_size=config.text.hidden,
            num_hidden_layers=config.text.layers,
            num_attention_heads=config.text.heads,
            hidden_act=config.text.activation,
        )
    )
    return {"unet": unet, "vae": vae, "text_encoder": text}


def saved(place, models, config, **options):
    """Write a folder as their pipelines do; the tokenizer and index are ours."""
    published.folder(place, FIRST, published.draw(FIRST))
    for name, model in models.items():
        for file in (place / name).iterdir():
            file.unlink()
        model.save_pretrained(place / name, **options)
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type=config.prediction,
    )
    scheduler.save_pretrained(place / "scheduler")
    return place


def check(weights, models):
    """Each of their arrays, in our axes, is where its name says; names by hand for a few."""
    unet = published.values(weights)["unet"]
    state = {name: array.float().numpy() for name, array in models["unet"].state_dict().items()}
    assert len(unet) == len(state)
    kernel = "down_blocks.0.resnets.0.conv1"
    np.testing.assert_array_equal(
        unet[f"{kernel}.kernel"], state[f"{kernel}.weight"].transpose(2, 3, 1, 0)
    )
    block = "mid_block.attentions.0.transformer_blocks.0"
    for ours, theirs in (("attn2.to_out", "attn2.to_out.0"), ("ff.expand", "ff.net.0.proj")):
        np.testing.assert_array_equal(
            unet[f"{block}.{ours}.kernel"], state[f"{block}.{theirs}.weight"].T
        )
    # All others: a multiset of sums does not depend on names or axes.
    sums = sorted(np.sort(array.ravel()).astype(np.float64).sum() for array in unet.values())
    assert sums == sorted(np.sort(a.ravel()).astype(np.float64).sum() for a in state.values())


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        ({}, "diffusion_pytorch_model.safetensors"),
        ({"max_shard_size": "100KB"}, ".safetensors.index.json"),
        ({"variant": "fp16"}, ".fp16.safetensors"),
        ({"variant": "fp16", "max_shard_size": "100KB"}, ".safetensors.index.fp16.json"),
        ({"safe_serialization": False}, ".bin"),
    ],
    ids=["one file", "shards", "variant", "shards of a variant", "pickle"],
)
@pytest.mark.parametrize("name", CONFIGS)
def test_folders_that_they_wrote(tmp_path, name, options, ending):
    torch.manual_seed(0)
    config, models = CONFIGS[name], networks(CONFIGS[name])
    text = options if "safe_serialization" not in options else {}  # gone from transformers 5
    place = saved(tmp_path / "folder", {n: models[n] for n in ("unet", "vae")}, config, **options)
    for file in (place / "text_encoder").iterdir():
        file.unlink()
    models["text_encoder"].save_pretrained(place / "text_encoder", **text)
    assert any(file.name.endswith(ending) for file in (place / "unet").iterdir())
    model = loading.load(place)
    assert model.config == config
    check(model.weights, models)


def through_their_conversion(place, arrays, config):
    """A single file's arrays, converted by diffusers and written as a folder."""
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    models = networks(config)
    unet = single_file_utils.convert_ldm_unet_checkpoint(state, models["unet"].config)
    vae = single_file_utils.convert_ldm_vae_checkpoint(state, models["vae"].config)
    if config.text.activation == "gelu":
        text = single_file_utils.convert_open_clip_checkpoint(models["text_encoder"], state)
    else:
        text = single_file_utils.convert_ldm_clip_checkpoint(state)
    text = {name.removeprefix("text_model."): array for name, array in text.items()}
    text.pop("embeddings.position_ids", None)
    text.pop("text_projection.weight", None)
    for model, converted in zip(models.values(), (unet, vae, text), strict=True):
        model.load_state_dict(converted, strict=True)
    return saved(place, models, config)


@pytest.mark.parametrize("name", CONFIGS)
def test_single_files_are_converted_as_they_do_it(tmp_path, name):
    config = CONFIGS[name]
    arrays = published.original(config, published.draw(config))
    file = published.single(tmp_path / "file.safetensors", config, published.draw(config))
    theirs = loading.load(through_their_conversion(tmp_path / "folder", arrays, config))
    ours = loading.load(file)
    assert ours.config == theirs.config
    assert published.same(published.values(ours.weights), published.values(theirs.weights))


@pytest.mark.parametrize("config", [TINY, V1, V2], ids=["tiny", "1.x", "2.x"])
def test_all_names_and_shapes_of_the_real_networks_are_ours(config):
    with torch.device("meta"):
        models = networks(config)
    ours = (layouts.diffusers_unet, layouts.diffusers_vae, layouts.transformers_text)
    counts = []
    for model, layout, params in zip(models.values(), ours, checkpoint.shapes(config), strict=True):
        state = model.state_dict()
        stored = {
            name: Stored(tuple(array.shape), "float32", lambda: np.zeros(0))
            for name, array in state.items()
        }
        names, faults = parts.match(Part(stored, layout), params)
        assert faults == []
        assert set(names.values()) == set(state)
        counts.append(sum(array.numel() for array in state.values()))
    published_sizes = {
        V1: [859_520_964, 83_653_863, 123_060_480],
        V2: [865_910_724, 83_653_863, 340_387_840],
    }
    assert config not in published_sizes or counts == published_sizes[config]


@pytest.fixture
def lightning(monkeypatch):
    """The class that stands in the files of trainers, from a package that is not installed."""
    names = ["pytorch_lightning", "pytorch_lightning.callbacks"]
    names.append("pytorch_lightning.callbacks.model_checkpoint")
    for name in names:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    made = type("ModelCheckpoint", (), {"__module__": names[-1]})
    sys.modules[names[-1]].ModelCheckpoint = made
    yield made
    for name in names:
        sys.modules.pop(name, None)


def tensors(config, dtype=torch.float32):
    arrays = published.original(config, published.draw(config))
    state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    return {n: (a.to(dtype) if a.dtype == torch.float32 else a) for n, a in state.items()}


@pytest.mark.parametrize("zipped", [True, False])
def test_what_a_trainer_wrote_is_read_without_its_packages(
    tmp_path, lightning, monkeypatch, zipped
):
    file = tmp_path / "model.ckpt"
    content = {
        "state_dict": tensors(FIRST),
        "epoch": 1,
        "global_step": 470_000,
        "callbacks": {lightning: {"best": np.float64(3), "at": lightning()}},
    }
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    for name in [name for name in sys.modules if name.startswith("pytorch_lightning")]:
        monkeypatch.delitem(sys.modules, name)
    model = loading.load(file)
    assert published.same(published.values(model.weights), published.draw(FIRST))
    assert model.config == FIRST


HALVES = [torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision(tmp_path, dtype):
    file = tmp_path / "model.ckpt"
    state = tensors(FIRST, dtype)
    torch.save(state, file)
    found = published.values(loading.load(file).weights)["vae"]["quant_conv.bias"]
    np.testing.assert_array_equal(found, state["first_stage_model.quant_conv.bias"].float())


@pytest.mark.parametrize("name", ["utilities.enums", "callbacks.early_stopping", "some.new_one"])
def test_objects_of_any_part_of_a_trainer_do_nothing(tmp_path, monkeypatch, name):
    modules = ["pytorch_lightning"]
    for part in name.split("."):
        modules.append(f"{modules[-1]}.{part}")
    for module in modules:
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    made = type("Thing", (), {"__module__": modules[-1]})
    sys.modules[modules[-1]].Thing = made
    thing = made()
    thing.patience = 3
    file = tmp_path / "model.ckpt"
    torch.save({"state_dict": tensors(FIRST), "callbacks": {"a": thing}, "epoch": 1}, file)
    for module in modules:
        monkeypatch.delitem(sys.modules, module)
    found = loading.inspect(file)
    assert found.config == FIRST
    assert found.unused["a trainer's notes"] == 2


@pytest.mark.parametrize("ending", ["", ".fp16", ".non_ema"])
def test_a_folder_of_pickles_alone_is_read(tmp_path, ending):
    drawn = published.draw(FIRST)
    place = published.folder(tmp_path / "folder", FIRST, drawn)
    for network, arrays in published.named(FIRST, drawn).items():
        (place / network / f"{published.STEMS[network]}.safetensors").unlink()
        state = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
        stem = "pytorch_model" if network == "text_encoder" else published.STEMS[network]
        torch.save(state, place / network / f"{stem}{ending}.bin")
    model = loading.load(place)
    assert published.same(published.values(model.weights), drawn)
    notes = [line for line in model.origin.lines() if "only the variant non_ema is there" in line]
    assert len(notes) == (3 if ending == ".non_ema" else 0)


@pytest.mark.parametrize(("steps", "prediction"), [(875_000, "epsilon"), (550_000, "v_prediction")])
def test_how_long_a_2_x_file_was_trained_tells_what_it_predicts(tmp_path, steps, prediction):
    file = tmp_path / "model.ckpt"
    torch.save({"state_dict": tensors(SECOND), "global_step": steps}, file)
    assert loading.inspect(file).config == replace(SECOND, prediction=prediction)


class Code:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("ending", ["ckpt", "pt", "bin", "pth"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_code_in_a_pickle_is_not_run(tmp_path, ending, wrapped):
    marker, file = tmp_path / "marker", tmp_path / f"model.{ending}"
    content = tensors(FIRST) | {"code": Code(marker)}
    torch.save({"state_dict": content} if wrapped else content, file)
    with pytest.raises(
        ValueError, match=r"model\.\w+: holds more than arrays \(.*system\)"
    ) as caught:
        loading.load(file)
    assert "weights_only" not in str(caught.value)
    plain = tmp_path / f"plain.{ending}"
    plain.write_bytes(pickle.dumps(Code(marker)))
    with pytest.raises(ValueError, match=r"plain\.\w+: "):
        loading.load(plain)
    assert not marker.exists()


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_file_cut_short(tmp_path, share):
    file = tmp_path / "model.ckpt"
    torch.save(tensors(FIRST), file)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"model\.ckpt: .*expected") as caught:
        loading.load(file)
    assert "\n" not in str(caught.value)


def test_a_tensor_that_is_no_array(tmp_path):
    file, name = tmp_path / "model.ckpt", "first_stage_model.quant_conv.bias"
    state = tensors(FIRST)
    torch.save(state | {name: state[name].to_sparse()}, file)
    with pytest.raises(ValueError, match=r"model\.ckpt: .*expected a dense one") as caught:
        loading.load(file)
    assert f"{name}: holds a tensor that is no array" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"state_dict": {}}])
def test_other_content(tmp_path, content):
    file = tmp_path / "model.ckpt"
    torch.save(content, file)
    with pytest.raises(ValueError, match=r"model\.ckpt: holds"):
        loading.load(file)
