"""Which of a folder's files of weights is read."""

import jax.numpy as jnp
import pytest

from mg_jax.models.stable_diffusion import weight_files

UNET = "diffusion_pytorch_model"


def chosen(names, variant=None, dtype=jnp.float32, network="unet"):
    found = weight_files.choose(network, names, dtype, variant)
    return None if found is None else found.name


def unet(*endings):
    return [f"{UNET}{ending}" for ending in endings]


@pytest.mark.parametrize(
    ("endings", "expected"),
    [
        ((".safetensors", ".fp16.safetensors", ".non_ema.safetensors", ".bin"), ".safetensors"),
        ((".fp16.safetensors", ".bin"), ".fp16.safetensors"),
        ((".fp16.safetensors", ".non_ema.safetensors"), ".fp16.safetensors"),
        ((".bin", ".non_ema.safetensors", ".fp16.bin"), ".bin"),
        ((".fp16.bin", ".non_ema.bin"), ".fp16.bin"),
        ((".non_ema.bin",), ".non_ema.bin"),
        ((".non_ema.bin", ".non_ema.safetensors"), ".non_ema.safetensors"),
        ((".safetensors.index.json", "-00001-of-00002.safetensors"), ".safetensors.index.json"),
        ((".safetensors.index.fp16.json", ".fp16-00001-of-00002.safetensors"), None),
        ((".bin.index.json", "-00001-of-00002.bin"), ".bin.index.json"),
        (("-00001-of-00002.bin", ".msgpack", ".onnx", ".safetensors.part"), "none"),
        ((), "none"),
    ],
)
def test_the_usual_weights_come_first(endings, expected):
    expected = endings[0] if expected is None else expected
    assert chosen(unet(*endings)) == (None if expected == "none" else UNET + expected)


def test_half_precision_where_that_is_kept():
    names = unet(".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin")
    assert chosen(names, dtype=jnp.bfloat16) == f"{UNET}.fp16.safetensors"
    assert chosen(unet(".bin", ".fp16.bin"), dtype=jnp.float16) == f"{UNET}.fp16.bin"


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16])
def test_a_variant_that_is_asked_for_is_taken_where_it_is(dtype):
    names = unet(".safetensors", ".fp16.safetensors", ".non_ema.safetensors", ".non_ema.bin")
    assert chosen(names, "non_ema", dtype) == f"{UNET}.non_ema.safetensors"
    assert chosen(names, "fp16", dtype) == f"{UNET}.fp16.safetensors"
    assert chosen(unet(".safetensors", ".non_ema.bin"), "non_ema") == f"{UNET}.non_ema.bin"
    assert chosen(unet(".safetensors"), "non_ema") == f"{UNET}.safetensors"


def test_the_text_encoder_has_names_of_its_own():
    names = ["model.safetensors", "pytorch_model.bin", "model.fp16.safetensors"]
    assert chosen(names, network="text_encoder") == "model.safetensors"
    for name in ("pytorch_model.bin", "pytorch_model.fp16.bin"):
        assert chosen([name], network="text_encoder") == name


def test_a_variant_that_no_network_has_is_refused():
    there = weight_files.choices("unet", unet(".safetensors", ".fp16.bin"))
    weight_files.check_variant("fp16", there, "folder")
    weight_files.check_variant(None, there, "folder")
    with pytest.raises(ValueError, match=r"^variant: ema is not in folder; expected fp16$"):
        weight_files.check_variant("ema", there, "folder")
    with pytest.raises(ValueError, match="expected none: it has no variants"):
        weight_files.check_variant("fp16", there[1:], "folder")
