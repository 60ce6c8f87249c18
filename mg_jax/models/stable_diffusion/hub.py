"""Stable Diffusion from the Hugging Face hub; downloaded once.

A model in the layout of diffusers is named by its id, a single file by id/file; a revision (a
branch, tag or commit) may follow the id, as id@revision.
"""

import importlib.util
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jax.typing import DTypeLike

from flows.files.broken import said
from mg_jax.checkpoints import arrays
from mg_jax.models.stable_diffusion import folder, weight_files
from mg_jax.models.stable_diffusion.options import AS_STORED, LoadingOptions

_SECONDS = 10  # to wait for the hub's answer
_DESCRIPTIONS = (
    folder.INDEX,
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/*.json",
    "tokenizer/*.txt",
)
_WEIGHTS = (".safetensors", *arrays.PICKLES)
_PART = r"[A-Za-z0-9][\w.-]*"
_NAMED = re.compile(
    rf"(?P<repository>{_PART}/{_PART})(@(?P<revision>refs/[\w.-]+/[\w.-]+|[\w.-]+))?"
    rf"(/(?P<file>.+({'|'.join(map(re.escape, _WEIGHTS))})))?"
)


class Named(NamedTuple):
    """A model on the hub, or one of its files."""

    repository: str
    revision: str | None
    file: str | None  # its path in the repository


def parse(source: str) -> Named | None:
    """Read a hub id, id@revision, id/file or id@revision/file; None if it is nothing of these."""
    match = _NAMED.fullmatch(source)
    if match is None or match["repository"].endswith(_WEIGHTS):
        return None
    return Named(match["repository"], match["revision"], match["file"])


def download(name: str, dtype: DTypeLike, options: LoadingOptions = AS_STORED) -> Path:
    """Return the local copy of a model or file of the hub, downloaded if it is not there yet.

    Of a model only the configuration, the tokenizer and the weights of one kind are downloaded:
    those that suit `options` and `dtype`, see `weight_files.choose`. A copy that was downloaded
    before serves where the hub cannot be reached or no longer has the model. Raises ValueError, one
    line, when there is neither, access must be requested, or it is in another layout.
    """
    return _fetch(name, partial(wanted, name, dtype=dtype, options=options), options, _DESCRIPTIONS)


def download_vae(name: str, dtype: DTypeLike, options: LoadingOptions = AS_STORED) -> Path:
    """Return the local copy of an autoencoder of the hub, its own repository or a model's part.

    Raises as `download` does.
    """
    descriptions = ("config.json", "vae/config.json")
    return _fetch(
        name, partial(wanted_vae, name, dtype=dtype, options=options), options, descriptions
    )


def _fetch(
    name: str,
    choose: Callable[[list[str]], list[str]],
    options: LoadingOptions,
    descriptions: tuple[str, ...],
) -> Path:
    """Download what `choose` picks of a repository's files, or find the local copy.

    `descriptions` are patterns of which any copy has some. Raises ValueError, one line.
    """
    from huggingface_hub import HfApi, errors, snapshot_download

    named = parse(name)
    assert named is not None, "checked by the caller"
    if options.revision and named.revision not in (None, options.revision):
        raise ValueError(
            f"revision: {options.revision}, but {name} says {named.revision}; expected one of them"
        )
    revision = options.revision or named.revision
    snapshot, info = partial(snapshot_download, named.repository), HfApi().model_info
    if revision is not None:
        snapshot, info = partial(snapshot, revision=revision), partial(info, revision=revision)
    names = None
    try:
        siblings = info(named.repository, timeout=_SECONDS).siblings or []
        names = [one.rfilename for one in siblings]
    except errors.GatedRepoError:
        reason = "must be asked for on the hub; agree to its terms there, then: hf auth login"
    except errors.RepositoryNotFoundError:
        reason = "neither a folder here nor a public model of the hub; expected one of them"
    except errors.RevisionNotFoundError:
        reason = f"has no revision {revision} on the hub; expected a branch, tag or commit"
    except Exception as error:  # the network's errors are a dozen kinds
        reason = _unreachable(error)
    if names is not None:
        patterns = _files(name, named.file, names) if named.file else choose(names)
        try:
            return _inside(Path(snapshot(allow_patterns=patterns)), named.file)
        except Exception as error:  # as above
            reason = _unreachable(error)
    patterns = [named.file] if named.file else list(descriptions)
    try:
        return _inside(Path(snapshot(allow_patterns=patterns, local_files_only=True)), named.file)
    except Exception:  # as above
        raise ValueError(f"{name}: {reason}") from None


def _inside(snapshot: Path, file: str | None) -> Path:
    """The file in a snapshot, or the snapshot. Raises FileNotFoundError if the file is missing."""
    place = snapshot / file if file else snapshot
    if not place.exists():
        raise FileNotFoundError(place)
    return place


def _unreachable(error: Exception) -> str:
    """What is wrong with the hub or the network, in one line."""
    reason = said(error)
    page = "<html" in reason.lower() or "<!doctype" in reason.lower()
    if page or isinstance(error, json.JSONDecodeError | KeyError | TypeError | AttributeError):
        reason = "its answer is not the hub's: a page of the network's portal, perhaps"
    return f"no such file or folder, and the hub cannot be reached ({reason})"


def _files(name: str, file: str, names: list[str]) -> list[str]:
    """A single file and the YAML beside it. Raises ValueError if it is not among the `names`."""
    if file not in names:
        single = ", ".join(_single_files(names)) or "no single file at all"
        raise ValueError(f"{name}: the hub has no such file; it has {single}")
    _check_readable(name, file)
    stem = PurePosixPath(file)
    beside = {str(stem.with_suffix(suffix)) for suffix in (".yaml", ".yml")}
    return [file, *sorted(beside & set(names))]


def wanted(
    name: str, names: list[str], dtype: DTypeLike, options: LoadingOptions = AS_STORED
) -> list[str]:
    """Patterns of the files to download, given the `names` of all files of a model.

    Raises ValueError, one line, when it is not in the layout of diffusers, or has no weights that
    can be read.
    """
    if folder.INDEX not in names:
        single = _single_files(names)
        files = f", or one of its files: {', '.join(f'{name}/{one}' for one in single)}"
        raise ValueError(
            f"{name}: has no {folder.INDEX} on the hub; expected a model in the layout of"
            f" diffusers{files if single else ''}"
        )
    networks = [one for one in folder.NETWORKS if one != "vae" or options.vae is None]
    patterns, there = list(_DESCRIPTIONS), []
    for network in networks:
        patterns += _weights(name, network, network, names, dtype, options.variant)
        there += weight_files.choices(network, _within(network, names))
    weight_files.check_variant(options.variant, there, name)
    return patterns


def wanted_vae(
    name: str, names: list[str], dtype: DTypeLike, options: LoadingOptions = AS_STORED
) -> list[str]:
    """As `wanted`, for an autoencoder alone."""
    inside = "vae" if "vae/config.json" in names else ""
    description = f"{inside}/config.json".removeprefix("/")
    if description not in names:
        raise ValueError(f"{name}: has no config.json on the hub; expected an autoencoder")
    return [description, *_weights(name, inside, "vae", names, dtype, options.variant)]


def _weights(
    name: str, inside: str, network: str, names: list[str], dtype: DTypeLike, variant: str | None
) -> list[str]:
    """Patterns of the files of one network's weights, which lie in the folder `inside`."""
    choice = weight_files.choose(network, _within(inside, names), dtype, variant)
    start = f"{inside}/" if inside else ""
    if choice is None:
        raise ValueError(f"{name}: has no weights in {start or 'it'} on the hub; expected some")
    _check_readable(f"{name}: has no safetensors in {start or 'it'} on the hub", choice.name)
    shards = [f"{start}*-of-*{'.bin' if choice.pickled else '.safetensors'}"]
    return [f"{start}{choice.name}", *(shards if choice.name.endswith(".json") else [])]


def _check_readable(what: str, file: str) -> None:
    """Raise ValueError, one line, before downloading what only torch reads, if it is missing."""
    pickled = any(ending in file for ending in arrays.PICKLES)
    if pickled and importlib.util.find_spec("torch") is None:
        raise ValueError(
            f"{what}: reading {file} needs torch, which is not installed (pip install torch)"
        )


def _within(inside: str, names: list[str]) -> list[str]:
    """The names of the files directly in a folder of a repository."""
    start = f"{inside}/" if inside else ""
    own = (one.removeprefix(start) for one in names if one.startswith(start))
    return [one for one in own if "/" not in one]


def _single_files(names: list[str]) -> list[str]:
    """The weights outside all folders."""
    return [one for one in names if "/" not in one and one.endswith(_WEIGHTS)]
