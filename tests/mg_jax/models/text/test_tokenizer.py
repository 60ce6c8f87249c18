"""Prompts to tokens, by the vocabulary that ships and by a checkpoint's folder.

`prompts.json` was written by the originals: `ids` (padding left out) by transformers 5.23.0,
`CLIPTokenizer.from_pretrained` of a folder with the shipped vocabulary and the special tokens of
Stable Diffusion 1.x; `ids_2` with those of 2.x, where they differ; `open_clip` says why the ids of
open_clip_torch 3.3.0's SimpleTokenizer (with ftfy 6.3.1) differ, where they do. The parity suite
compares them with the originals anew.
"""

import hashlib
import json
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mg_jax.models.stable_diffusion.config import TINY, V1, V2
from mg_jax.models.text import tokenizer

BEGIN, END = 49406, 49407
PROMPTS = json.loads((Path(__file__).parent / "prompts.json").read_text())
SIZE = 49408

clip = cache(tokenizer.default)
vocabulary = cache(tokenizer.vocabulary)


def encode(text: str) -> list[int]:
    """Tokens of a text without special ones, from the beginning to the end, without padding."""
    ids = clip("<|endoftext|>").encode([text])[0].tolist()
    return ids[: ids.index(END) + 1]


def message(call) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    return text


# Laws


@pytest.mark.parametrize(("pad", "token"), [("<|endoftext|>", END), ("!", 0)])
def test_begin_tokens_end_padding(pad, token):
    ids = clip(pad).encode(["", "a photo of a cat"])
    assert ids.shape == (2, tokenizer.LENGTH)
    assert ids.dtype == np.int32
    assert ids[0].tolist() == [BEGIN, END, *[token] * 75]
    assert ids[1, 0] == BEGIN
    assert ids[1, 6] == END
    assert ids[1, 7:].tolist() == [token] * 70
    assert not set(ids[1, 1:6].tolist()) & {BEGIN, END}


def test_no_texts():
    assert clip("!").encode([]).shape == (0, 77)


def test_a_text_has_the_same_tokens_whatever_is_beside_it():
    texts = ["a cat", "a photo of a dog", ""]
    together = clip("!").encode(texts)
    np.testing.assert_array_equal(
        together, np.concatenate([clip("!").encode([text]) for text in texts])
    )


def test_case_and_white_space_do_not_matter():
    plain = encode("a photo of a cat, in the snow")
    assert encode("A PHOTO of\n\ta\u3000Cat,   in the SNOW ") == plain


@pytest.mark.parametrize(
    "text", ["crème brûlée", "Žluťoučký kůň", "Tiếng Việt", "γάτα", "がんばれ"]
)
def test_canonically_equivalent_texts_have_the_same_tokens(text):
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    assert forms[0] != forms[1]
    assert encode(forms[0]) == encode(forms[1])


def test_words_are_encoded_one_by_one():
    first, second = "an astronaut, riding", "(naïve) 猫 №5"
    assert encode(f"{first} {second}") == [*encode(first)[:-1], *encode(second)[1:]]


@pytest.mark.parametrize(
    "text", ["a supercalifragilistic cat's 42", "猫 и кошка", "😀👩🏽‍🚀", "\x00é\x7f"]
)
def test_tokens_spell_the_text(text):
    words = {i: word for word, i in vocabulary()[0].items()}
    bytes_of = {word: i for i, word in words.items() if i < 256}
    order = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that stand for themselves
    order += [byte for byte in range(256) if byte not in order]
    spelled = "".join(words[i] for i in encode(text)[1:-1]).replace("</w>", "")
    assert bytes(order[bytes_of[letter]] for letter in spelled).decode() == text.replace(" ", "")


def test_special_tokens_are_known_in_the_text():
    ids = clip("!").encode(["a<|endoftext|>cat", "<|startoftext|>"])
    assert ids[0, :6].tolist() == [BEGIN, 320, END, 2368, END, 0]
    assert ids[1, :4].tolist() == [BEGIN, BEGIN, END, 0]


def test_the_exclamation_mark_that_pads_is_padding_in_the_text_too():
    assert clip("!").encode(["cat! cat"])[0, :6].tolist() == [BEGIN, 2368, 0, 2368, END, 0]
    assert encode("cat! cat") == [BEGIN, 2368, 256, 2368, END]


# Too long


def test_75_tokens_fit():
    ids = clip("!").encode(["cat " * 75])
    assert ids[0].tolist() == [BEGIN, *[2368] * 75, END]


def test_what_does_not_fit_is_left_out_and_named():
    with pytest.warns(UserWarning, match="left out") as caught:
        ids = clip("!").encode(["cat " * 75 + "Sitting on\nthe mat"])
    assert ids[0].tolist() == [BEGIN, *[2368] * 75, END]
    (warning,) = caught
    assert str(warning.message) == (
        "prompt: 79 tokens; CLIP takes 75, left out: Sitting on the mat"
    )


def test_a_long_rest_is_quoted_in_part():
    with pytest.warns(UserWarning, match="left out: 猫+…$") as caught:
        clip("!").encode(["猫" * 1000])
    assert len(str(caught[0].message)) < 300


# Numbers


def test_enough_prompts_are_stored():
    texts = [prompt["text"] for prompt in PROMPTS]
    assert len(set(texts)) == len(texts) > 300


@pytest.mark.parametrize(("pad", "token"), [("<|endoftext|>", END), ("!", 0)])
@pytest.mark.filterwarnings("ignore:prompt")
def test_stored_prompts(pad, token):
    wrong = []
    for prompt in PROMPTS:
        expected = prompt["ids_2"] if pad == "!" and "ids_2" in prompt else prompt["ids"]
        (ids,) = clip(pad).encode([prompt["text"]])
        if ids.tolist() != expected + [token] * (77 - len(expected)):
            wrong.append(prompt["text"])
    assert wrong == []


# The vocabulary that ships


def test_the_vocabulary():
    words, merges = vocabulary()
    assert list(words.values()) == list(range(SIZE))
    assert len(merges) == 48894
    assert merges[0] == ("i", "n")
    assert (words["!"], words["!</w>"], words["cat</w>"]) == (0, 256, 2368)
    assert (words["<|startoftext|>"], words["<|endoftext|>"]) == (BEGIN, END)
    assert {config.text.vocabulary for config in (V1, V2)} == {SIZE}
    assert {config.text.length for config in (V1, V2, TINY)} == {tokenizer.LENGTH}


def test_the_notices_name_the_vocabulary_by_its_hash():
    root = Path(__file__).parents[4]
    digest = hashlib.sha256(tokenizer.MERGES.read_bytes()).hexdigest()
    assert digest in (root / "THIRD_PARTY_NOTICES.md").read_text()
    assert "Copyright (c) 2021 OpenAI" in (tokenizer.MERGES.parent / "LICENSE").read_text()


# Folders


def token(content: str, **flags: bool) -> dict:
    return {"content": content, "normalized": True, **flags}


SPECIAL = {
    "bos_token": token("<|startoftext|>"),
    "eos_token": token("<|endoftext|>"),
    "unk_token": token("<|endoftext|>"),
    "pad_token": "!",
}


def write(folder: Path, **contents) -> Path:
    """Files of a folder by their stem, JSON but for `merges`; None leaves one out."""
    words, merges = vocabulary()
    standard = {
        "vocab": words,
        "merges": "\n".join(["#version: 0.2", *map(" ".join, merges), ""]),
        "tokenizer_config": {**SPECIAL, "pad_token": "<|endoftext|>", "model_max_length": 77},
        "special_tokens_map": SPECIAL,
    }
    for name, content in {**standard, **contents}.items():
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            suffix = "txt" if name == "merges" else "json"
            (folder / f"{name}.{suffix}").write_text(text, encoding="utf-8")
    return folder


def whole(merges: list, **rest) -> dict:
    return {"model": {"type": "BPE", "vocab": vocabulary()[0], "merges": merges}, **rest}


TEXTS = ["wow!! a cat", "naïve 猫", "<|ENDOFTEXT|> it's"]


def same(folder: Path, pad: str) -> bool:
    return bool((tokenizer.read(folder, SIZE).encode(TEXTS) == clip(pad).encode(TEXTS)).all())


def test_a_folder_of_stable_diffusion_2_pads_as_its_special_tokens_map_says(tmp_path):
    assert same(write(tmp_path), "!")


def test_a_folder_of_stable_diffusion_1(tmp_path):
    special = {**SPECIAL, "pad_token": "<|endoftext|>"}
    assert same(write(tmp_path, special_tokens_map=special), "<|endoftext|>")


def test_without_a_map_the_configuration_says_it(tmp_path):
    assert same(write(tmp_path, special_tokens_map=None), "<|endoftext|>")


def test_without_both_the_special_tokens_are_clips(tmp_path):
    read = tokenizer.read(write(tmp_path, special_tokens_map=None, tokenizer_config=None), SIZE)
    assert (read.begin, read.end, read.pad) == (BEGIN, END, END)


def test_a_configuration_with_added_tokens_has_the_last_word(tmp_path):
    plain = {
        role: said if isinstance(said, str) else said["content"] for role, said in SPECIAL.items()
    }
    added = {"0": token("!", normalized=False), "49406": token("<|startoftext|>")}
    added["49407"] = token("<|endoftext|>")
    config = {**plain, "added_tokens_decoder": added}
    special = {**SPECIAL, "pad_token": "<|endoftext|>"}
    assert same(write(tmp_path, tokenizer_config=config, special_tokens_map=special), "!")


@pytest.mark.parametrize("form", [list, " ".join])
def test_a_single_file(tmp_path, form):
    merges = [form(merge) for merge in vocabulary()[1]]
    added = [said for said in SPECIAL.values() if isinstance(said, dict)]
    config = dict.fromkeys(("eos_token", "unk_token"), "<|endoftext|>") | {"pad_token": "!"}
    content = whole(merges, added_tokens=added)
    folder = write(
        tmp_path,
        vocab=None,
        merges=None,
        special_tokens_map=None,
        tokenizer_config=config,
        tokenizer=content,
    )
    assert same(folder, "!")


def test_merges_with_the_line_ends_of_windows(tmp_path):
    write(tmp_path)
    file = tmp_path / "merges.txt"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert same(tmp_path, "!")


def test_a_tiny_vocabulary(tmp_path):
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz")]
    words = [*letters, "ca", "cat</w>", "<|startoftext|>", "<|endoftext|>", "!"]
    words += [f"<{i}>" for i in range(512 - len(words))]
    folder = write(
        tmp_path,
        vocab={word: i for i, word in enumerate(words)},
        merges="c a\nca t</w>\n",
    )
    (ids,) = tokenizer.read(folder, TINY.text.vocabulary).encode(["Cat é"])
    ends = [words.index("<|startoftext|>"), words.index("<|endoftext|>")]
    unknown = [ends[1]] * 2  # the two bytes of é
    assert ids[:5].tolist() == [ends[0], words.index("cat</w>"), *unknown, ends[1]]
    assert set(ids[5:].tolist()) == {words.index("!")}


# Faults


def test_a_folder_that_is_not_there(tmp_path):
    text = message(lambda: tokenizer.read(tmp_path / "no", SIZE))
    assert text.startswith(f"{tmp_path / 'no'}: no such folder; expected")


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_file_that_is_not_there(tmp_path, name):
    write(tmp_path)
    (tmp_path / name).unlink()
    text = message(lambda: tokenizer.read(tmp_path, SIZE))
    assert text.startswith(f"{tmp_path / name}: no such file; expected")


@pytest.mark.parametrize("name", ["vocab", "tokenizer_config", "special_tokens_map"])
@pytest.mark.parametrize("content", ['{"a": ', "[1, 2]", ""])
def test_broken_json(tmp_path, name, content):
    folder = write(tmp_path, **{name: content})
    text = message(lambda: tokenizer.read(folder, SIZE))
    assert text.startswith(f"{folder / name}.json: ")
    assert "expected" in text


def test_a_file_that_is_no_text(tmp_path):
    write(tmp_path)
    (tmp_path / "merges.txt").write_bytes(b"\xff\xfe\x00")
    text = message(lambda: tokenizer.read(tmp_path, SIZE))
    assert text.startswith(f"{tmp_path / 'merges.txt'}: cannot be read")


@pytest.mark.parametrize("merges", ["a b c\n", "ab\n"])
def test_a_merge_that_is_no_pair(tmp_path, merges):
    folder = write(tmp_path, merges=merges)
    text = message(lambda: tokenizer.read(folder, SIZE))
    assert text == (
        f"{folder / 'merges.txt'}: holds the merge {merges.strip()!r}; expected two tokens"
    )


def test_a_merge_of_unknown_tokens(tmp_path):
    folder = write(tmp_path, merges="猫 犬\n")
    text = message(lambda: tokenizer.read(folder, SIZE))
    assert text.startswith(f"{folder / 'vocab.json'}: broken (")
    assert "猫" in text


def test_another_size(tmp_path):
    text = message(lambda: tokenizer.read(write(tmp_path), 512))
    assert text.startswith(f"{tmp_path / 'vocab.json'}: holds 49408 tokens; expected 512")


def test_a_hole_in_the_numbers(tmp_path):
    words = {**vocabulary()[0], "cat</w>": SIZE}
    text = message(lambda: tokenizer.read(write(tmp_path, vocab=words), SIZE))
    assert "expected 49408, numbered from 0" in text


@pytest.mark.parametrize("missing", ["<|startoftext|>", "<|endoftext|>", "!"])
def test_a_vocabulary_without_a_special_token(tmp_path, missing):
    words = {word if word != missing else "(gone)": i for word, i in vocabulary()[0].items()}
    text = message(lambda: tokenizer.read(write(tmp_path, vocab=words, merges=""), SIZE))
    assert text.startswith(f"{tmp_path / 'vocab.json'}: lacks {missing!r}, the ")


@pytest.mark.parametrize(
    "contents",
    [
        {"special_tokens_map": {**SPECIAL, "pad_token": 3}},
        {"special_tokens_map": {**SPECIAL, "pad_token": {"id": 0}}},
        {"tokenizer_config": {"added_tokens_decoder": ["!"]}},
        {"vocab": {"a": 0, "b": "1"}},
        {"vocab": None, "tokenizer": {"model": {}}},
        {"vocab": None, "tokenizer": {"model": {"vocab": {}, "merges": 3}}},
        {"vocab": None, "tokenizer": {"model": {"vocab": {}, "merges": [3]}}},
    ],
)
def test_json_of_another_form(tmp_path, contents):
    folder = write(tmp_path, **contents)
    text = message(lambda: tokenizer.read(folder, SIZE))
    assert text.startswith(f"{folder}: its files are of an unknown form (")


def test_a_prompt_that_is_no_unicode():
    text = message(lambda: clip("!").encode(["caf\udce9"]))
    assert text == "prompt: 'caf\\udce9' is no valid Unicode; expected UTF-8"
