"""Every kind of source gives the same parameters; whatever is wrong is told in one line."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from flows.nn import tracing
from mg_jax.models.stable_diffusion import converted, hub, loading
from mg_jax.models.stable_diffusion.options import LoadingOptions
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE
from mg_jax.models.text.encoder import TextEncoder

from . import published
from .published import FIRST, SECOND


@pytest.fixture(scope="module")
def drawn():
    return {"1.x": published.draw(FIRST), "2.x": published.draw(SECOND)}


@pytest.fixture(scope="module")
def place(tmp_path_factory, drawn):
    """A diffusers folder and a single file of each kind, not to be changed."""
    place = tmp_path_factory.mktemp("published")
    for name, config in (("1.x", FIRST), ("2.x", SECOND)):
        published.folder(place / name, config, drawn[name])
        published.single(place / f"{name}.safetensors", config, drawn[name])
    return place


@pytest.fixture
def own(tmp_path, drawn):
    """A diffusers folder that a test may spoil."""
    return published.folder(tmp_path / "own", FIRST, drawn["1.x"])


def complaint(source, **options):
    """What loading says of a source that it does not take."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        loading.load(source, **options)
    return str(caught.value)


def change(path, **entries):
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | entries))


@pytest.mark.parametrize("kind", ["", ".safetensors"], ids=["folder", "single file"])
@pytest.mark.parametrize(("name", "config"), [("1.x", FIRST), ("2.x", SECOND)])
def test_every_parameter_comes_from_its_array(place, drawn, name, config, kind):
    model = loading.load(place / f"{name}{kind}")
    assert model.config == config
    assert published.same(published.values(model.weights), drawn[name])
    assert model.tokenizer.encode(["a cup"])[0, :4].tolist() == [49406, 320, 1937, 49407]


def test_parameters_are_what_the_networks_merge(place):
    model = loading.load(place / "1.x")
    for build, part, params in (
        (UNet, FIRST.unet, model.weights.unet),
        (VAE, FIRST.vae, model.weights.vae),
        (TextEncoder, FIRST.text, model.weights.text),
    ):
        network = nnx.eval_shape(
            lambda b=build, p=part: b(p, dtype=jnp.float32, rngs=tracing.rngs())
        )
        graph, shapes = nnx.split(network)
        assert jax.tree.structure(params) == jax.tree.structure(shapes)
        assert isinstance(nnx.merge(graph, params), build)


def test_prompts_are_filled_up_as_each_version_was_trained(place):
    pads = {
        name: loading.load(place / f"{name}.safetensors").tokenizer.pad for name in ("1.x", "2.x")
    }
    assert pads == {"1.x": 49407, "2.x": 0}


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_parameters_are_kept_as_asked(place, drawn, dtype):
    found = published.values(loading.load(place / "1.x", dtype=dtype).weights)
    cast = {n: {p: a.astype(dtype) for p, a in part.items()} for n, part in drawn["1.x"].items()}
    assert published.same(found, cast)
    assert {a.dtype for part in found.values() for a in part.values()} == {np.dtype(dtype)}


def test_parameters_go_where_the_sharding_says(place):
    mesh = jax.make_mesh((1,), ("b",), axis_types=(jax.sharding.AxisType.Auto,))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    weights = loading.load(place / "1.x", sharding=everywhere).weights
    assert {leaf.sharding for leaf in jax.tree.leaves(weights)} == {everywhere}


def test_a_prediction_that_is_given_overrides_all(place):
    asked = LoadingOptions(prediction="v_prediction")
    assert loading.load(place / "1.x", asked).config == replace(FIRST, prediction="v_prediction")
    found = loading.inspect(place / "1.x")
    assert found.prediction_by == "scheduler/scheduler_config.json"


def test_what_is_no_parameter_is_counted(place):
    assert loading.inspect(place / "1.x").unused == {"position numbers": 1}
    assert loading.inspect(place / "1.x.safetensors").unused == {
        "moving averages of the UNet": 2,
        "noise levels": 2,
        "position numbers": 1,
    }
    assert loading.inspect(place / "2.x.safetensors").unused == {
        "moving averages of the UNet": 2,
        "noise levels": 2,
        "projections of the whole text": 2,
        "the last layer of OpenCLIP, which 2.x leaves out": 12,
    }


@pytest.mark.parametrize("kept", [1, 2])
def test_a_text_encoder_described_with_fewer_layers_is_read_so_far(own, drawn, kept):
    """Clip skip by the configuration: the last layers stand in the file, and are not read."""
    change(own / "text_encoder" / "config.json", num_hidden_layers=kept)
    model = loading.load(own)
    assert model.config.text.layers == kept
    last = {path for path in drawn["1.x"]["text"] if ".layers.1." in path}
    expected = {p: a for p, a in drawn["1.x"]["text"].items() if kept == 2 or p not in last}
    assert published.same({"text": published.values(model.weights)["text"]}, {"text": expected})
    left = model.origin.left_out.get("text layers after the last that is read", 0)
    assert left == (2 - kept) * len(last)


def test_more_layers_than_are_stored_are_missed(own):
    change(own / "text_encoder" / "config.json", num_hidden_layers=3)
    assert "text: encoder.layers.2.layer_norm1.bias: no array" in complaint(own)


def test_what_no_network_of_a_folder_needs_is_left_out(own, drawn):
    file = own / "unet" / "diffusion_pytorch_model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    safetensors.numpy.save_file(arrays | {"extra.weight": np.zeros(1, np.float32)}, file)
    model = loading.load(own)
    assert published.same(published.values(model.weights), drawn["1.x"])
    assert model.origin.left_out == {"other arrays": 1, "position numbers": 1}


def test_shards_are_read_by_their_index(own, drawn):
    file = own / "unet" / "diffusion_pytorch_model.safetensors"
    arrays = sorted(safetensors.numpy.load_file(file).items())
    file.unlink()
    shards = {}
    for i in (0, 1):
        name = f"diffusion_pytorch_model-0000{i + 1}-of-00002.safetensors"
        safetensors.numpy.save_file(dict(arrays[i::2]), file.with_name(name))
        shards |= dict.fromkeys(dict(arrays[i::2]), name)
    index = file.with_name(f"{file.name}.index.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    assert published.same(published.values(loading.load(own).weights), drawn["1.x"])
    (own / "unet" / name).unlink()
    assert complaint(own).endswith(f"{name}: no such file; expected weights")
    index.write_text("{}")
    assert "index.json: broken" in complaint(own)


def test_half_precision_serves_where_it_suits_or_nothing_else_is_there(own):
    for network, stem in published.STEMS.items():
        file = own / network / f"{stem}.safetensors"
        halves = {
            name: array.astype(np.float16) if array.dtype == np.float32 else array
            for name, array in safetensors.numpy.load_file(file).items()
        }
        safetensors.numpy.save_file(halves, own / network / f"{stem}.fp16.safetensors")
    assert {".fp16" in file.name for file in loading.inspect(own).files} == {False}
    assert {".fp16" in f.name for f in loading.inspect(own, jnp.float16).files} == {True}
    (own / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    assert [".fp16" in file.name for file in loading.inspect(own).files] == [False, True, False]


def test_attention_of_old_autoencoders(own, drawn):
    file = own / "vae" / "diffusion_pytorch_model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    renamed = {}
    for name, array in arrays.items():
        for new, old in (
            (".to_q.", ".query."),
            (".to_k.", ".key."),
            (".to_v.", ".value."),
            (".to_out.0.", ".proj_attn."),
        ):
            name = name.replace(new, old)
        renamed[name] = array
    assert renamed.keys() != arrays.keys()
    safetensors.numpy.save_file(renamed, file)
    assert published.same(published.values(loading.load(own).weights), drawn["1.x"])


def test_what_was_converted_is_the_same(place, tmp_path):
    for name in ("1.x", "2.x.safetensors"):
        found = loading.inspect(place / name)
        model = loading.take(found)
        converted.write(tmp_path / name, found, model.weights)
        again = loading.load(tmp_path / name)
        assert again.config == model.config
        assert again.size == model.size == (512 if name == "1.x" else 768)
        assert published.same(published.values(again.weights), published.values(model.weights))
        assert jax.tree.structure(again.weights) == jax.tree.structure(model.weights)
        assert again.tokenizer.pad == model.tokenizer.pad
        asked = LoadingOptions(prediction="v_prediction")
        half = loading.load(tmp_path / name, asked, dtype=jnp.bfloat16)
        assert half.config.prediction == "v_prediction"
        assert {leaf.dtype for leaf in jax.tree.leaves(half.weights)} == {np.dtype(jnp.bfloat16)}


def test_a_converted_folder_of_another_version_or_content_is_refused(place, tmp_path):
    found = loading.inspect(place / "1.x.safetensors")
    converted.write(tmp_path / "kept", found, loading.take(found).weights)
    config = tmp_path / "kept" / "config.json"
    content = json.loads(config.read_text())
    change(config, version=2)
    assert "format version 2; expected 1" in complaint(tmp_path / "kept")
    wider = content["config"] | {"vae": content["config"]["vae"] | {"layers": 2}}
    config.write_text(json.dumps(content | {"config": wider}))
    assert "vae.decoder.up_blocks.0.resnets.2.conv1.kernel: no array" in complaint(
        tmp_path / "kept"
    )
    config.write_text(json.dumps(content | {"config": {}}))
    assert "broken" in complaint(tmp_path / "kept")


def test_a_tokenizers_fault_is_its_files(own):
    file = own / "tokenizer" / "vocab.json"
    change(file, brandnewtoken=49408)
    assert complaint(own).startswith(f"{file}: holds 49409 tokens; expected 49408")
    file.write_text("{")
    assert complaint(own).startswith(f"{file}: broken")
    shutil.rmtree(own / "tokenizer")
    assert complaint(own).startswith(f"{file.parent}: no such folder")


def test_tokens_that_no_tokenizer_makes_are_the_weights_fault():
    text = replace(FIRST.text, vocabulary=7)
    with pytest.raises(ValueError, match=r"^a, b: 7 tokens, without a tokenizer; expected CLIP's"):
        loading.read_tokenizer(None, text, "a, b")


@pytest.fixture(scope="module")
def kept(place, tmp_path_factory):
    """A converted folder, whose config.json a test may spoil, and what that holds."""
    found = loading.inspect(place / "1.x.safetensors")
    folder = tmp_path_factory.mktemp("converted") / "kept"
    converted.write(folder, found, loading.take(found).weights)
    return folder, json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "broken"),
        (b"{", "broken"),
        (b'{"\xff": 1}', "broken"),
        (b"[1]", "holds a list; expected a JSON object"),
        (b"null", "holds a NoneType; expected a JSON object"),
        (b"{}", "format None; expected 'mg_jax stable diffusion'"),
    ],
)
def test_a_converted_folder_with_a_broken_description(kept, content, words):
    folder, _ = kept
    (folder / "config.json").write_bytes(content)
    text = complaint(folder)
    assert text.startswith(f"{folder / 'config.json'}: {words}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("part", "key", "value", "words"),
    [
        ("unet", "channels", "wide", "config.unet.channels is 'wide'; expected a list, each a"),
        ("unet", "channels", [], "config.unet.channels is []"),
        ("unet", "channels", [32, None], "config.unet.channels is missing; expected a whole"),
        ("unet", "channels", [32, [64]], "config.unet.channels is [64]; expected a whole number"),
        ("unet", "attention", [1, 0], "config.unet.attention is 1; expected true or false"),
        ("unet", "attention", [True], "unet.attention has 1 entries; expected 2"),
        ("unet", "heads", [5, 7], "unet.heads is [5, 7]; expected to divide [32, 64]"),
        ("unet", "groups", 7, "unet.groups is [7, 7]; expected to divide [32, 64]"),
        ("unet", "context", 24, "unet.context is 24; expected text.width, "),
        ("unet", "layers", True, "config.unet.layers is True; expected a whole number above 0"),
        ("unet", "layers", 0, "config.unet.layers is 0; expected a whole number above 0"),
        ("vae", "scale", float("nan"), "config.vae.scale is nan; expected a number above 0"),
        ("vae", "scale", None, "config.vae.scale is missing; expected a number above 0"),
        ("text", "activation", "relu", "is 'relu'; expected quick_gelu or gelu"),
        ("text", "activation", ["gelu"], "is ['gelu']; expected quick_gelu or gelu"),
        ("text", "heads", {}, "config.text.heads is {}; expected a whole number"),
        ("text", "odd", 1, "config.text.odd is unknown; expected "),
        (None, "vae", [1], "config.vae is [1]; expected an object"),
        (None, "prediction", 1, "config.prediction is 1; expected epsilon or v_prediction"),
    ],
)
def test_a_converted_folder_with_a_wrong_description(kept, part, key, value, words):
    folder, content = kept
    given = content["config"]
    wrong = given | ({key: value} if part is None else {part: given[part] | {key: value}})
    (folder / "config.json").write_text(json.dumps(content | {"config": wrong}))
    text = complaint(folder)
    assert text.startswith(f"{folder / 'config.json'}: broken (")
    assert words in text
    assert "\n" not in text


def test_nothing_is_left_when_the_disk_fails(place, tmp_path, monkeypatch):
    found = loading.inspect(place / "1.x")
    weights = loading.take(found).weights

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(converted.shutil, "copyfile", full)
    with pytest.raises(ValueError, match=r"kept: cannot be written \(No space left on device\)"):
        converted.write(tmp_path / "kept", found, weights)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_written(place, tmp_path, monkeypatch):
    found = loading.inspect(place / "1.x")
    weights = loading.take(found).weights
    monkeypatch.setattr(converted.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    monkeypatch.setattr(converted.weights, "save", lambda *_: pytest.fail("written"))
    with pytest.raises(
        ValueError, match=r"kept: cannot be written \(0\.0 GB for a disk with 0\.0 GB"
    ):
        converted.write(tmp_path / "kept", found, weights)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_not_written_to(tmp_path):
    with pytest.raises(ValueError, match="exists already; expected the name of a new folder"):
        converted.check_new(tmp_path)


@pytest.mark.parametrize("source", ["no/such/folder", "gone.safetensors", "./gone", "a/b.ckpt"])
def test_a_path_is_not_taken_for_a_hub_id(source, monkeypatch):
    monkeypatch.setattr(hub, "download", lambda *_: pytest.fail("asked the hub"))
    assert complaint(source).startswith(f"{source}: no such file or folder; expected a diffusers")


def test_a_folder_of_something_else(tmp_path):
    assert "has no model_index.json" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("StableDiffusionXLPipeline", "Stable Diffusion XL"),
        ("StableDiffusion3Pipeline", "Stable Diffusion 3"),
        ("FluxPipeline", "Flux"),
        ("StableDiffusionInpaintPipeline", "9 input channels instead of 4"),
        ("KandinskyPipeline", "another model"),
    ],
)
def test_other_pipelines_are_named(own, name, what):
    change(own / "model_index.json", _class_name=name)
    text = complaint(own)
    assert f"a {name} (" in text
    assert what in text


@pytest.mark.parametrize(
    ("file", "entries", "words"),
    [
        (
            "unet/config.json",
            {"in_channels": 9},
            "in_channels is 9 (an inpainting UNet); expected 4",
        ),
        ("unet/config.json", {"act_fn": "gelu"}, "act_fn is gelu; expected silu"),
        ("unet/config.json", {"freq_shift": 1}, "freq_shift is 1; expected 0"),
        ("unet/config.json", {"flip_sin_to_cos": False}, "flip_sin_to_cos is false; expected true"),
        ("unet/config.json", {"dual_cross_attention": True}, "dual_cross_attention is true"),
        ("unet/config.json", {"only_cross_attention": True}, "only_cross_attention is true"),
        ("unet/config.json", {"class_embed_type": "timestep"}, "class_embed_type is timestep"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "addition_embed_type is"),
        ("unet/config.json", {"time_cond_proj_dim": 256}, "time_cond_proj_dim is 256"),
        ("unet/config.json", {"norm_eps": 1e-6}, "norm_eps is 1e-06; expected 1e-05"),
        ("unet/config.json", {"attention_head_dim": 7}, "attention_head_dim is [7, 7]; expected"),
        ("unet/config.json", {"attention_head_dim": [8]}, "has 1 entries; expected 2"),
        ("unet/config.json", {"block_out_channels": "wide"}, "block_out_channels is wide"),
        ("unet/config.json", {"cross_attention_dim": 24}, "reads text of width 24"),
        (
            "unet/config.json",
            {"down_block_types": ["AttnDownBlock2D", "DownBlock2D"]},
            "expected 2 of CrossAttnDownBlock2D or DownBlock2D",
        ),
        (
            "unet/config.json",
            {"up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"]},
            "do not mirror",
        ),
        ("vae/config.json", {"use_quant_conv": False}, "use_quant_conv is false; expected true"),
        ("vae/config.json", {"scaling_factor": None}, "scaling_factor is null"),
        (
            "vae/config.json",
            {"norm_num_groups": 5},
            "norm_num_groups is [5, 5]; expected to divide",
        ),
        ("text_encoder/config.json", {"hidden_act": "relu"}, "hidden_act is relu"),
        ("text_encoder/config.json", {"model_type": "t5"}, "model_type is t5"),
        ("scheduler/scheduler_config.json", {"beta_schedule": "linear"}, "expected scaled_linear"),
        ("scheduler/scheduler_config.json", {"beta_end": 0.02}, "beta_end is 0.02; expected 0.012"),
        ("scheduler/scheduler_config.json", {"prediction_type": "sample"}, "is sample; expected"),
        ("scheduler/scheduler_config.json", {"rescale_betas_zero_snr": True}, "is true; expected"),
    ],
)
def test_what_our_networks_cannot_do_is_told(own, file, entries, words):
    change(own / file, **entries)
    text = complaint(own)
    assert words in text
    assert "\n" not in text


def test_faults_of_all_files_are_told_at_once(own):
    change(own / "unet/config.json", act_fn="gelu", freq_shift=1)
    (own / "vae/config.json").unlink()
    (own / "scheduler/scheduler_config.json").write_text("{}")
    (own / "text_encoder/config.json").write_text("{")
    text = complaint(own)
    for words in (
        "unet/config.json: freq_shift is 1; expected 0, act_fn is gelu; expected silu",
        "vae/config.json: no such file",
        "text_encoder/config.json: broken",
        "beta_schedule is missing; expected scaled_linear",
    ):
        assert words in text


def test_arrays_without_a_place_and_places_without_an_array_are_all_told(own):
    file = own / "unet" / "diffusion_pytorch_model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    del arrays["conv_in.bias"]
    arrays["conv_out.bias"] = np.zeros(5, np.float32)
    arrays["conv_in.weight"] = arrays["conv_in.weight"].astype(np.int32)
    arrays["conv_in.extra"] = np.zeros(1, np.float32)
    safetensors.numpy.save_file(arrays, file)
    text = complaint(own)
    assert text.startswith(f"{file}, ")
    for words in (
        "unet: conv_in.bias: no array fills this parameter",
        "unet: conv_out.bias: shape (5,), expected (4,)",
        "unet: conv_in.weight: holds I32, expected floats",
        "unet: conv_in.extra: no parameter has this name",
    ):
        assert words in text


def test_a_parameter_is_not_filled_twice(own):
    file = own / "text_encoder" / "model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    arrays["final_layer_norm.bias"] = arrays["text_model.final_layer_norm.bias"]
    safetensors.numpy.save_file(arrays, file)
    assert "both fill it" in complaint(own)


def test_values_that_are_not_finite_are_refused(own):
    file = own / "vae" / "diffusion_pytorch_model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    arrays["quant_conv.bias"][0] = 1e6
    safetensors.numpy.save_file(arrays, file)
    unet = own / "unet" / "diffusion_pytorch_model.safetensors"
    others = safetensors.numpy.load_file(unet)
    others["conv_in.bias"][1] = np.nan
    others["conv_out.bias"][:] = np.inf
    safetensors.numpy.save_file(others, unet)
    text = complaint(own, dtype=jnp.float16)
    for name in ("quant_conv.bias", "conv_in.bias", "conv_out.bias"):
        assert f"{name}: not all values are finite as float16" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; expected weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"no weights at all, but a text", "broken or cut short"),
        (None, "no weights; expected diffusion_pytorch_model.safetensors"),
    ],
)
def test_a_file_that_holds_no_weights(own, content, words):
    file = own / "unet" / "diffusion_pytorch_model.safetensors"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    text = complaint(own)
    assert words in text
    assert str(own / "unet") in text


@pytest.mark.parametrize("share", [0.001, 0.3, 0.99])
def test_a_file_cut_short(tmp_path, place, share):
    content = (place / "1.x.safetensors").read_bytes()
    short = tmp_path / "short.safetensors"
    short.write_bytes(content[: int(share * len(content))])
    assert complaint(short).startswith(f"{short}: broken or cut short")


def spoiled(path, config, drawn, remove=(), **arrays):
    content = published.original(config, drawn)
    kept = {name: one for name, one in content.items() if not name.startswith(tuple(remove))}
    safetensors.numpy.save_file(kept | arrays, path)
    return path


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("conditioner.embedders.0.transformer.x", "Stable Diffusion XL"),
        ("model.diffusion_model.joint_blocks.0.x", "Stable Diffusion 3"),
        ("double_blocks.0.x", "Flux"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("lora_unet_x", "a LoRA"),
        ("down_blocks.0.resnets.0.conv1.weight", "one network of a diffusers folder"),
    ],
)
def test_other_single_files_are_named(tmp_path, name, what):
    file = tmp_path / "other.safetensors"
    safetensors.numpy.save_file({name: np.zeros(1, np.float32)}, file)
    assert complaint(file).startswith(f"{file}: holds {what}")


def test_single_files_that_lack_or_exceed(tmp_path, drawn):
    file, first = tmp_path / "a.safetensors", drawn["1.x"]
    inputs = {"model.diffusion_model.input_blocks.0.0.weight": np.zeros((32, 9, 3, 3), np.float32)}
    assert "9 input channels: an inpainting UNet; expected 4" in complaint(
        spoiled(file, FIRST, first, **inputs)
    )
    assert "holds no autoencoder (first_stage_model.*)" in complaint(
        spoiled(file, FIRST, first, ["first_stage_model."])
    )
    gone = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight"
    assert f"has no array {gone}" in complaint(spoiled(file, FIRST, first, [gone]))
    assert "unet: conv_in.bias: no array fills this parameter" in complaint(
        spoiled(file, FIRST, first, ["model.diffusion_model.input_blocks.0.0.bias"])
    )
    extra = {"first_stage_model.encoder.mid.extra": np.zeros(1, np.float32)}
    text = complaint(spoiled(file, FIRST, first, **extra))
    assert "vae: first_stage_model.encoder.mid.extra: no parameter has this name" in text
    fused = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_bias"
    assert f"{fused}: no parameter" in complaint(
        spoiled(file, SECOND, drawn["2.x"], **{fused: np.zeros(49, np.float32)})
    )


def test_other_files(tmp_path):
    file = tmp_path / "weights.onnx"
    file.write_bytes(b"x")
    assert "unknown kind of weights; expected .safetensors, .ckpt" in complaint(file)


def test_a_pickle_without_torch_says_how_to_go_on(tmp_path):
    file = tmp_path / "model.ckpt"
    file.write_bytes(b"x")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from mg_jax.models.stable_diffusion import loading\n"
        "try: loading.load(sys.argv[1])\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        f"{file}: reading a PyTorch file needs torch (pip install torch);"
        " .safetensors files need nothing more\n"
    )
