"""Convert prompts to CLIP's tokens, by a checkpoint's own vocabulary or the one that ships here.

The tokens are exactly those of transformers' fast tokenizer (the only one since version 5), which
Stable Diffusion's pipelines use: NFC, white space folded, lower case. OpenAI's original also
unescapes HTML entities and repairs the text by ftfy (curly quotes, full-width letters);
transformers' former slow tokenizer did the latter where ftfy was installed.
"""

import functools
import gzip
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tokenizers
from jaxtyping import Int32
from tokenizers import AddedToken, Regex
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Lowercase, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

LENGTH = 77  # tokens of every prompt, the first and the last included

MERGES = Path(__file__).parent / "data" / "clip_merges.txt.gz"

_BEGIN, _END = "<|startoftext|>", "<|endoftext|>"
_ROLES = {"bos_token": _BEGIN, "eos_token": _END, "unk_token": _END, "pad_token": _END}
_FLAGS = ("lstrip", "rstrip", "single_word", "normalized")
_WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>"
    r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)
_SHOWN = 200  # characters of a prompt's omitted end that a warning quotes

Vocabulary = dict[str, int]
Merges = list[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """Byte pair encoding, and the ids of the tokens for begin, end and padding."""

    bpe: tokenizers.Tokenizer
    begin: int
    end: int
    pad: int

    def encode(self, texts: list[str]) -> Int32[np.ndarray, "b 77"]:
        """Encode each text: the begin token, its tokens, the end token, padding.

        Tokens that do not fit are left out, with a warning that quotes them. Raises ValueError when
        a text is not valid Unicode, as command line arguments whose bytes are not UTF-8.
        """
        ids = np.full((len(texts), LENGTH), self.pad, np.int32)
        for row, text in zip(ids, texts, strict=True):
            tokens = [self.begin, *self._encode(text)[: LENGTH - 2], self.end]
            row[: len(tokens)] = tokens
        return ids

    def _encode(self, text: str) -> list[int]:
        """Tokens of a text, however long."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"prompt: {text!r} is no valid Unicode; expected UTF-8") from None
        encoding = self.bpe.encode(text, add_special_tokens=False)
        room = LENGTH - 2
        if len(encoding.ids) > room:
            rest = " ".join(text[encoding.offsets[room][0] :].split())
            shown = rest if len(rest) <= _SHOWN else f"{rest[:_SHOWN]}…"
            warnings.warn(
                f"prompt: {len(encoding.ids)} tokens; CLIP takes {room}, left out: {shown}",
                stacklevel=3,
            )
        return encoding.ids


def default(pad: Literal["<|endoftext|>", "!"]) -> Tokenizer:
    """Build CLIP's own tokenizer, for single-file checkpoints, which have none.

    Stable Diffusion 1.x pads with "<|endoftext|>", 2.x with "!".
    """
    named = {role: {"content": token, "normalized": True} for role, token in _ROLES.items()}
    return _build(*vocabulary(), _special_tokens({**named, "pad_token": pad}, []), MERGES)


@functools.cache
def vocabulary() -> tuple[Vocabulary, Merges]:
    """CLIP's 49408 tokens with their ids, and its 48894 merges in order, as shipped.

    Read once, and the same objects for all: do not change them.
    """
    merges = _merges(gzip.decompress(MERGES.read_bytes()).decode().split("\n"), MERGES)
    letters = sorted(ByteLevel.alphabet())  # one for each byte
    words = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    return {word: i for i, word in enumerate([*words, _BEGIN, _END])}, merges


def read(folder: Path, size: int) -> Tokenizer:
    """Read a checkpoint's tokenizer folder, whose vocabulary must have `size` tokens.

    It holds vocab.json and merges.txt, or else tokenizer.json; tokenizer_config.json and
    special_tokens_map.json may name the special tokens. Raises ValueError, one line, when a file is
    missing or broken, the vocabulary is of another size, or it lacks a special token.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected a checkpoint's tokenizer")
    try:
        return _read(folder, size)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{folder}: its files are of an unknown form ({error!r}); expected CLIP's tokenizer as"
            " transformers writes it"
        ) from None


def _read(folder: Path, size: int) -> Tokenizer:
    """Read a folder; JSON of an unexpected form raises AttributeError, KeyError or TypeError."""
    file, whole = folder / "vocab.json", folder / "tokenizer.json"
    config, special = (
        _json(folder / name) if (folder / name).exists() else {}
        for name in ("tokenizer_config.json", "special_tokens_map.json")
    )
    if file.exists() or not whole.exists():
        words, added = _json(file), []
        merges = _merges(_text(folder / "merges.txt").split("\n"), folder / "merges.txt")
    else:
        file, content = whole, _json(whole)
        words, added = content["model"]["vocab"], content.get("added_tokens", [])
        merges = _merges(content["model"]["merges"], file)
    if sorted(words.values()) != list(range(size)):
        raise ValueError(
            f"{file}: holds {len(words)} tokens; expected {size}, numbered from 0, as many as the"
            " text encoder embeds"
        )
    if "added_tokens_decoder" in config:  # takes precedence, in transformers since 4.34
        added, special = list(config["added_tokens_decoder"].values()), {}
    return _build(words, merges, _special_tokens({**config, **special}, added), file)


def _text(file: Path) -> str:
    """Contents of a text file."""
    if not file.is_file():
        raise ValueError(f"{file}: no such file; expected a part of the tokenizer")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: cannot be read ({error}); expected UTF-8 text") from None


def _json(file: Path) -> dict[str, Any]:
    """Contents of a file that holds a JSON object."""
    try:
        content = json.loads(_text(file))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: broken ({error}); expected JSON") from None
    if not isinstance(content, dict):
        raise ValueError(f"{file}: holds a {type(content).__name__}; expected a JSON object")
    return content


def _merges(lines: list[Any], file: Path) -> Merges:
    """Parse merges, "first second" or [first, second]; skips empty lines and the version line."""
    merges = []
    for line in lines:
        pair = line.split(" ") if isinstance(line, str) else line
        if line == "" or pair[0] == "#version:":
            continue
        if len(pair) != 2:
            raise ValueError(f"{file}: holds the merge {line!r}; expected two tokens")
        merges.append((pair[0], pair[1]))
    return merges


def _special_tokens(named: dict[str, Any], added: list[dict[str, Any]]) -> dict[str, AddedToken]:
    """The special tokens by role, from `named`; their matching flags are there or in `added`."""
    known = {token["content"]: token for token in added}
    tokens = {}
    for role, standard in _ROLES.items():
        token = named.get(role) or standard
        content = token if isinstance(token, str) else token["content"]
        flags = known.get(content, {} if isinstance(token, str) else token)
        matching = {flag: bool(flags.get(flag)) for flag in _FLAGS}
        tokens[role] = AddedToken(content, special=True, **matching)
    return tokens


def _build(
    words: Vocabulary, merges: Merges, special: dict[str, AddedToken], file: Path
) -> Tokenizer:
    """Assemble a tokenizer; `file`, which its vocabulary is from, is named in errors."""
    for role, token in special.items():
        if token.content not in words:
            raise ValueError(
                f"{file}: lacks {token.content!r}, the {role}; expected CLIP's vocabulary"
            )
    try:
        model = BPE(
            words, merges, unk_token=special["unk_token"].content, end_of_word_suffix="</w>"
        )
    except Exception as error:  # the library raises Exception itself
        raise ValueError(f"{file}: broken ({error}); expected tokens and their merges") from None
    bpe = tokenizers.Tokenizer(model)
    bpe.normalizer = Normalizers([NFC(), Replace(Regex(r"\s+"), " "), Lowercase()])
    bpe.pre_tokenizer = PreTokenizers(
        [Split(Regex(_WORDS), "removed", invert=True), ByteLevel(add_prefix_space=False)]
    )
    # If roles share a token, the last one, pad_token, decides its matching flags.
    bpe.add_special_tokens(list({token.content: token for token in special.values()}.values()))
    begin, end, pad = (words[special[role].content] for role in _ROLES if role != "unk_token")
    return Tokenizer(bpe, begin, end, pad)
