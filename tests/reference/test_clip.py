"""CLIP against transformers' CLIPModel, tokenizer and image processor, with the same weights.

The difference of embeddings is the largest over all numbers, relative to the largest number.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
)

from mg_jax import images
from mg_jax.models import clip
from mg_jax.models.clip import loading
from mg_jax.models.clip.preparing import prepare
from mg_jax.models.text import tokenizer

from ..mg_jax.models.clip import published
from ..mg_jax.models.clip.published import BASE, GELU, LARGE, TINY

TEXTS = ["a red cup", "", "A photo of an apple, on a wooden table!", "cup " * 70]
SIZES = [(224, 224), (512, 512), (333, 500), (501, 333), (100, 37), (225, 224), (768, 1023)]
PHOTO = Path(__file__).parents[2] / "experiments" / "data" / "rocket.jpg"


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> CLIPTokenizer:
    words, merges = tokenizer.vocabulary()
    place = tmp_path_factory.mktemp("tokenizer")
    (place / "vocab.json").write_text(json.dumps(words))
    lines = ["#version: 0.2", *map(" ".join, merges)]
    (place / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer.from_pretrained(place)


def reference(config, drawn) -> CLIPModel:
    """Their model with our arrays, each of which must have its place."""
    model = CLIPModel(CLIPConfig(**published.description(config))).eval()
    state = {name: torch.from_numpy(array) for name, array in published.named(drawn).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert (missing, unexpected) == (["logit_scale"], [])
    return model


def processor(kind, config):
    side = config.vision.size
    return kind(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def differences(config, texts) -> tuple[float, float, float]:
    """Largest relative differences of embeddings; largest difference of similarities."""
    drawn = published.draw(config)
    ours, theirs = published.build(config, drawn), reference(config, drawn)
    pictures = [published.photo(*size, seed) for seed, size in enumerate(SIZES[:4])]
    with torch.inference_mode():
        out = theirs(
            pixel_values=processor(CLIPImageProcessorPil, config)(
                pictures, return_tensors="pt"
            ).pixel_values,
            **texts(TEXTS, padding=True, return_tensors="pt"),
        )
    image = np.stack([clip.embed_image(ours, picture) for picture in pictures])
    text = np.stack([clip.embed_text(ours, one) for one in TEXTS])
    expected = (out.image_embeds.numpy(), out.text_embeds.numpy())
    relative = [
        float(np.abs(a - b).max() / np.abs(b).max())
        for a, b in zip((image, text), expected, strict=True)
    ]
    cosines = out.logits_per_image.numpy() / theirs.logit_scale.exp().item()
    found = [[clip.similarity(ours, picture, one) for one in TEXTS] for picture in pictures]
    return (*relative, float(np.abs(np.array(found) - cosines).max()))


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(TINY, id="tiny"),
        pytest.param(GELU, id="tiny gelu"),
        pytest.param(BASE, id="ViT-B/32", marks=pytest.mark.slow),
    ],
)
def test_embeddings(config, texts):
    image, text, cosine = differences(config, texts)
    print(f"image within {image:.1e}, text within {text:.1e}, similarity within {cosine:.1e}")
    assert image < 1e-5
    assert text < 1e-5
    assert cosine < 1e-5


@pytest.mark.parametrize("size", SIZES)
def test_preparing(size):
    """Pillow's backend to rounding, torchvision's to a level of 255."""
    image = published.photo(*size)
    found = prepare(image, BASE)
    level = 1 / (255 * min(BASE.std))
    for kind, tolerance in ((CLIPImageProcessorPil, 1e-5), (CLIPImageProcessor, level)):
        (theirs,) = processor(kind, BASE)(image, return_tensors="np").pixel_values
        difference = float(np.abs(found - theirs.transpose(1, 2, 0)).max())
        print(f"{kind.__name__}, {size}: within {difference / level:.1e} levels")
        assert difference < 1.001 * tolerance


def test_preparing_of_a_photo():
    image = images.read(PHOTO)
    pixels = processor(CLIPImageProcessorPil, BASE)(Image.open(PHOTO), return_tensors="np")
    theirs = pixels.pixel_values[0].transpose(1, 2, 0)
    np.testing.assert_allclose(prepare(image, BASE), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", [BASE, LARGE], ids=["ViT-B/32", "ViT-L/14"])
def test_names_and_shapes_at_full_size(config):
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig(**published.description(config)))
    theirs = {name: tuple(array.shape) for name, array in model.state_dict().items()}
    del theirs["logit_scale"]
    ours = {}
    for path, shape in published.shapes(config).items():
        if path.endswith(".kernel"):
            *window, inputs, outputs = shape
            shape = (outputs, inputs, *window)
        ours[loading.names(path)[0]] = shape
    assert ours == theirs


@pytest.mark.parametrize("config", [TINY, GELU], ids=["quick_gelu", "gelu"])
def test_a_folder_that_transformers_writes(tmp_path, texts, config):
    drawn = published.draw(config)
    model = reference(config, drawn)
    model.save_pretrained(tmp_path / "one")
    CLIPProcessor(processor(CLIPImageProcessor, config), texts).save_pretrained(tmp_path / "one")
    loaded = clip.load(tmp_path / "one")
    assert loaded.config == config
    image, text = published.photo(40, 50), "a red cup"
    expected = clip.similarity(published.build(config, drawn), image, text)
    assert clip.similarity(loaded, image, text) == pytest.approx(expected, abs=1e-6)


def test_a_pickle_is_read_without_running_what_is_in_it(tmp_path):
    drawn = published.draw(TINY)
    place = published.folder(tmp_path / "own", TINY, drawn)
    (place / "model.safetensors").unlink()
    state = {name: torch.from_numpy(array) for name, array in published.named(drawn).items()}
    torch.save(state, place / "pytorch_model.bin")
    image, text = published.photo(40, 50), "a red cup"
    expected = clip.similarity(published.build(TINY, drawn), image, text)
    assert clip.similarity(clip.load(place), image, text) == expected
    torch.save(state | {"run": Trap(tmp_path / "ran")}, place / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pytorch_model\.bin: holds more than arrays") as caught:
        clip.load(place)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


class Trap:
    """Pickled, it asks to touch a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)
