"""The tokenizer against transformers' CLIPTokenizer and open_clip's SimpleTokenizer (OpenAI's)."""

import json
import random
import sys
import unicodedata
from functools import cache
from pathlib import Path

import pytest
import transformers
from open_clip.tokenizer import SimpleTokenizer

from mg_jax.models.text import tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:prompt")

STORED = Path(__file__).parents[1] / "mg_jax" / "models" / "text" / "prompts.json"
PROMPTS = json.loads(STORED.read_text())
PADS = ("<|endoftext|>", "!")
IDS = {"<|endoftext|>": "ids", "!": "ids_2"}
REASONS = {
    "ftfy": "ftfy mends quotes, ligatures, letters' widths, control characters, wrong decodings",
    "entities": "HTML entities are undone, twice",
    "special": "open_clip calls the special tokens <start_of_text> and <end_of_text>",
    "sigma": "Python lowers a capital sigma at a word's end to the final sigma",
    "fold": "its pattern ignores case: 'ſ is a contraction like 's",
}


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Tokenizer folders with the shipped vocabulary and Stable Diffusion's special tokens."""
    words, merges = tokenizer.vocabulary()
    flags = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    named = {"bos": "<|startoftext|>", "eos": "<|endoftext|>", "unk": "<|endoftext|>"}
    special = {f"{role}_token": {"content": text, **flags} for role, text in named.items()}
    config = {role: {"__type": "AddedToken", **token} for role, token in special.items()}
    config |= {"pad_token": "<|endoftext|>", "model_max_length": 77, "do_lower_case": True}
    made = {}
    for pad in PADS:
        folder = made[pad] = tmp_path_factory.mktemp("tokenizer")
        (folder / "vocab.json").write_text(json.dumps(words))
        lines = ["#version: 0.2", *map(" ".join, merges)]
        (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        mapped = json.dumps({**special, "pad_token": pad})
        (folder / "special_tokens_map.json").write_text(mapped)
    return made


@cache
def theirs(folder: Path) -> transformers.CLIPTokenizer:
    return transformers.CLIPTokenizer.from_pretrained(folder)


def differing(folder: Path, mine: tokenizer.Tokenizer, texts: list[str]) -> list[str]:
    """Texts that get other ids from transformers than from us."""
    expected = theirs(folder)(texts, padding="max_length", truncation=True, max_length=77).input_ids
    found = mine.encode(texts).tolist()
    return [text for text, a, b in zip(texts, found, expected, strict=True) if a != b]


def random_texts() -> list[str]:
    """Words of characters that stand near each other in Unicode, and of all of it."""
    rng = random.Random(0)
    assigned = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) not in ("Cs", "Cn", "Co")
    ]
    texts = []
    for _ in range(4000):
        start = rng.randrange(len(assigned))
        near = assigned[start : start + 100]
        words = [
            "".join(rng.choices(rng.choice((near, near, assigned[:600], assigned)), k=length))
            for length in rng.choices(range(1, 12), k=rng.randrange(1, 9))
        ]
        texts.append(rng.choice((" ", " ", "", "! ", "\n", "'s ", "<|endoftext|>")).join(words))
    return texts


@pytest.mark.parametrize("pad", PADS)
def test_stored_prompts_are_what_transformers_gives(folders, pad):
    wrong = [
        prompt["text"]
        for prompt in PROMPTS
        if theirs(folders[pad])(prompt["text"], truncation=True, max_length=77).input_ids
        != prompt.get(IDS[pad], prompt["ids"])
    ]
    assert wrong == []


@pytest.mark.parametrize("pad", PADS)
def test_stored_prompts(folders, pad):
    texts = [prompt["text"] for prompt in PROMPTS]
    assert differing(folders[pad], tokenizer.default(pad), texts) == []
    assert differing(folders[pad], tokenizer.read(folders[pad], 49408), texts) == []


@pytest.mark.parametrize("pad", PADS)
def test_random_texts(folders, pad):
    texts = random_texts()
    assert differing(folders[pad], tokenizer.default(pad), texts) == []


@pytest.mark.parametrize("pad", PADS)
def test_a_folder_that_transformers_saved(folders, pad, tmp_path):
    theirs(folders[pad]).save_pretrained(tmp_path)
    assert not (tmp_path / "vocab.json").exists()
    read = tokenizer.read(tmp_path, 49408)
    texts = [prompt["text"] for prompt in PROMPTS]
    assert differing(folders[pad], read, texts) == []
    assert differing(tmp_path, read, texts) == []


def test_open_clip_differs_where_and_why_it_is_known():
    original = SimpleTokenizer()
    wrong = []
    for prompt in PROMPTS:
        tokens = [49406, *original.encode(prompt["text"])]
        if [*tokens[:76], 49407] != prompt["ids"]:
            wrong.append(prompt["text"])
    assert wrong == [prompt["text"] for prompt in PROMPTS if "open_clip" in prompt]
    assert {prompt["open_clip"] for prompt in PROMPTS if "open_clip" in prompt} == set(REASONS)
