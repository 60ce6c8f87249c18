"""A folder gives its parameters, tokenizer and settings; whatever is wrong is told in one line."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from mg_jax.checkpoints import parts
from mg_jax.models import clip
from mg_jax.models.clip import descriptions

from . import published
from .published import BASE, GELU, TINY


@pytest.fixture(scope="module")
def drawn():
    return published.draw(TINY)


@pytest.fixture(scope="module")
def place(tmp_path_factory, drawn):
    """A folder that is not to be changed."""
    return published.folder(tmp_path_factory.mktemp("published") / "clip", TINY, drawn)


@pytest.fixture
def own(tmp_path, drawn):
    """A folder that a test may spoil."""
    return published.folder(tmp_path / "own", TINY, drawn)


def complaint(folder):
    """What loading says of a folder that it does not take."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        clip.load(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert str(folder) in text
    return text


def change(path, *parents, **entries):
    content = json.loads(path.read_text())
    inner = content
    for parent in parents:
        inner = inner[parent]
    inner.update(entries)
    path.write_text(json.dumps(content))


def values(model):
    return {path: np.asarray(one.get_value()) for path, one in parts.paths(model.params).items()}


def same(model, drawn):
    found = values(model)
    assert found.keys() == drawn.keys()
    for path, array in drawn.items():
        np.testing.assert_array_equal(found[path], array, err_msg=path)
    return True


def test_every_parameter_comes_from_its_array(place, drawn):
    model = clip.load(place)
    assert model.config == TINY
    assert same(model, drawn)
    assert model.tokenizer.encode(["a cup"])[0, :4].tolist() == [49406, 320, 1937, 49407]


def test_what_is_loaded_scores_as_what_was_written(place, drawn):
    image = published.photo(40, 50)
    found = clip.similarity(clip.load(str(place)), image, "a red cup")
    assert found == clip.similarity(published.build(TINY, drawn), image, "a red cup")


def test_configurations_of_former_versions(tmp_path, drawn):
    """`…_config_dict` overruled `…_config`; the end of the text was number 2, whatever it was."""
    own = published.folder(tmp_path / "own", GELU, drawn)
    assert clip.load(own).config == GELU
    content = json.loads((own / "config.json").read_text())
    for key in ("text_config", "vision_config"):
        content[f"{key}_dict"] = content[key]
        content[key] = {"hidden_size": 8}
    (own / "config.json").write_text(json.dumps(content))
    assert clip.load(own).config == GELU
    assert same(clip.load(own), drawn)


def test_what_is_left_out_is_as_in_the_smallest_published(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    assert descriptions.read(tmp_path) == BASE


def test_preparing_is_read_where_it_stands(own):
    file, whole = own / "preprocessor_config.json", own / "processor_config.json"
    change(file, image_mean=[0.5, 0.25, 0], image_std=[1, 0.5, 0.5])
    told = replace(TINY, mean=(0.5, 0.25, 0.0), std=(1.0, 0.5, 0.5))
    assert clip.load(own).config == told
    change(file, size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    assert clip.load(own).config == told
    whole.write_text(json.dumps({"image_processor": json.loads(file.read_text())}))
    file.unlink()
    assert clip.load(own).config == told
    whole.unlink()
    assert clip.load(own).config == TINY


def test_the_tokenizer_may_be_one_file(own):
    words = json.loads((own / "vocab.json").read_text())
    merges = (own / "merges.txt").read_text().split("\n")[1:-1]
    content = {"model": {"type": "BPE", "vocab": words, "merges": merges}, "added_tokens": []}
    (own / "tokenizer.json").write_text(json.dumps(content))
    for name in ("vocab.json", "merges.txt"):
        (own / name).unlink()
    assert clip.load(own).tokenizer.encode(["a cup"])[0, 1:4].tolist() == [320, 1937, 49407]
    (own / "tokenizer.json").unlink()
    assert "vocab.json: no such file; expected a part of the tokenizer" in complaint(own)


def test_half_precision_is_read_as_float32(own, drawn):
    file = own / "model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    halves = {n: a.astype(np.float16) if a.dtype == np.float32 else a for n, a in arrays.items()}
    safetensors.numpy.save_file(halves, file)
    halved = {path: array.astype(np.float16).astype(np.float32) for path, array in drawn.items()}
    assert same(clip.load(own), halved)
    assert {array.dtype for array in values(clip.load(own)).values()} == {np.dtype(np.float32)}


def test_shards_are_read_by_their_index(own, drawn):
    arrays = sorted(safetensors.numpy.load_file(own / "model.safetensors").items())
    (own / "model.safetensors").unlink()
    shards = {}
    for i in (0, 1):
        name = f"model-0000{i + 1}-of-00002.safetensors"
        safetensors.numpy.save_file(dict(arrays[i::2]), own / name)
        shards |= dict.fromkeys(dict(arrays[i::2]), name)
    index = own / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    assert same(clip.load(own), drawn)
    safetensors.numpy.save_file(dict(arrays), own / name)
    assert "as does another file; expected once" in complaint(own)
    (own / name).unlink()
    assert f"{name}: no such file; expected weights" in complaint(own)
    index.write_text("{}")
    assert "index.json: broken" in complaint(own)


def test_a_folder_of_something_else(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        assert complaint(folder) == (
            f"{folder}: has no config.json; expected a folder of a CLIPModel of transformers"
        )


@pytest.mark.parametrize(
    ("part", "entries", "words"),
    [
        ((), {"model_type": "siglip"}, "model_type is siglip; expected clip"),
        ((), {"projection_dim": 0}, "projection_dim is 0; expected numbers from 1 up"),
        ((), {"text_config": 3}, "text_config is a int; expected a JSON object"),
        (
            ("text_config",),
            {"model_type": "t5", "hidden_act": "relu"},
            "text_config: model_type is t5; expected clip_text_model, text_config: hidden_act is",
        ),
        (
            ("text_config",),
            {"max_position_embeddings": 248},
            "text_config: max_position_embeddings is 248; expected 77",
        ),
        (("text_config",), {"eos_token_id": [1]}, "eos_token_id is [1]; expected a token's id"),
        (
            ("text_config",),
            {"eos_token_id": 7},
            "eos_token_id is 7; expected 49407, with which the tokenizer ends texts",
        ),
        (("vision_config",), {"num_channels": 1}, "num_channels is 1; expected 3"),
        (("vision_config",), {"layer_norm_eps": 1e-6}, "layer_norm_eps is 1e-06; expected 1e-05"),
        (("vision_config",), {"hidden_act": "relu"}, "hidden_act is relu; expected quick_gelu"),
        (("vision_config",), {"patch_size": 7}, "patch_size is [7]; expected to divide [32]"),
        (("vision_config",), {"num_attention_heads": 5}, "heads is [5]; expected to divide [24]"),
        (("vision_config",), {"image_size": "big"}, "image_size is big; expected numbers"),
    ],
)
def test_what_our_networks_cannot_do_is_told(own, part, entries, words):
    change(own / "config.json", *part, **entries)
    text = complaint(own)
    assert text.startswith(f"{own / 'config.json'}: ")
    assert words in text


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"do_center_crop": False}, "do_center_crop is false; expected true"),
        ({"resample": 2}, "resample is 2; expected 3"),
        ({"size": 224}, "size is 224; expected {shortest_edge: 32}"),
        ({"crop_size": {"height": 8, "width": 32}}, "crop_size is {height: 8, width: 32}"),
        ({"image_mean": [0.5, 0.5]}, "image_mean is [0.5, 0.5]; expected three numbers from 0"),
        ({"image_mean": 0.5}, "image_mean is 0.5; expected three numbers from 0 to 1"),
        ({"image_std": [1, 1, float("nan")]}, "image_std is [1, 1, NaN]; expected three numbers"),
        ({"image_std": [1, 0, 1]}, "image_std is [1.0, 0.0, 1.0]; expected no 0"),
        ({"rescale_factor": 1}, "rescale_factor is 1; expected 0.00392"),
    ],
)
def test_other_preparing_is_told(own, entries, words):
    change(own / "preprocessor_config.json", **entries)
    text = complaint(own)
    assert text.startswith(f"{own / 'preprocessor_config.json'}: ")
    assert words in text


@pytest.mark.parametrize(
    "name", ["config.json", "preprocessor_config.json", "vocab.json", "model.safetensors"]
)
@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_broken_file_is_named(own, name, content):
    (own / name).write_text(content)
    assert complaint(own).startswith(f"{own / name}: ")


def test_preparing_of_another_form_is_told(own):
    (own / "preprocessor_config.json").unlink()
    (own / "processor_config.json").write_text('{"image_processor": 3}')
    assert "processor_config.json: image_processor is no JSON object" in complaint(own)


def test_arrays_without_a_place_and_places_without_an_array_are_told(own):
    file = own / "model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    del arrays["visual_projection.weight"]
    arrays["text_projection.weight"] = np.zeros((12, 17), np.float32)
    arrays["vision_model.embeddings.class_embedding"] = np.zeros(24, np.int32)
    arrays["extra.weight"] = np.zeros(1, np.float32)
    safetensors.numpy.save_file(arrays, file)
    text = complaint(own)
    assert text.startswith(f"{file}: these weights do not fit: ")
    for words in (
        "visual_projection.kernel: no array fills this parameter",
        "text_projection.weight: shape (12, 17), expected (12, 16)",
        "vision_model.embeddings.class_embedding: holds I32, expected floats",
        "extra.weight: no parameter has this name",
    ):
        assert words in text


def test_of_hundreds_of_faults_a_few_are_told(own, drawn):
    file = own / "model.safetensors"
    safetensors.numpy.save_file({"other": np.zeros(1, np.float32)}, file)
    assert complaint(own).endswith(f"; and {len(drawn) + 1 - 5} more")


def test_values_that_are_not_finite_are_refused(own):
    file = own / "model.safetensors"
    arrays = safetensors.numpy.load_file(file)
    arrays["vision_model.pre_layrnorm.bias"][0] = np.nan
    safetensors.numpy.save_file(arrays, file)
    assert complaint(own) == (
        f"{file}: vision_model.pre_layrnorm.bias: not all values are finite as float32; expected so"
    )


def test_a_vocabulary_of_another_size_is_told(own):
    change(own / "config.json", "text_config", vocab_size=49409)
    assert "holds 49408 tokens; expected 49409" in complaint(own)


def test_a_folder_without_weights(own):
    (own / "model.safetensors").unlink()
    assert complaint(own) == f"{own}: no weights; expected model.safetensors"


def test_a_pickle_without_torch_says_how_to_go_on(own):
    (own / "model.safetensors").unlink()
    (own / "pytorch_model.bin").write_bytes(b"x")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from mg_jax.models import clip\n"
        "try: clip.load(sys.argv[1])\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(own)], capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        f"{own / 'pytorch_model.bin'}: reading a PyTorch file needs torch (pip install torch);"
        " .safetensors files need nothing more\n"
    )
