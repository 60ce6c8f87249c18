"""Stable Diffusion from the Hugging Face hub, in the layout of diffusers; downloaded once."""

from fnmatch import fnmatch
from pathlib import Path

from jax.typing import DTypeLike

from flows.files.broken import said
from mg_jax.models.stable_diffusion import folder

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


def download(name: str, dtype: DTypeLike) -> Path:
    """Return the local copy of a model of the hub, downloaded if it is not there yet.

    Only the configuration, the tokenizer and, in safetensors, the weights of one precision are
    downloaded: the one that suits `dtype`, see `folder.choose`. Without a network, a copy that was
    downloaded before is used. Raises ValueError, one line, when there is no such model, access to
    it must be requested, it is in another layout, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi, errors, snapshot_download

    try:
        siblings = HfApi().model_info(name, timeout=_SECONDS).siblings or []
        patterns = wanted(name, [one.rfilename for one in siblings], dtype)
        return Path(snapshot_download(name, allow_patterns=patterns))
    except errors.GatedRepoError:
        raise ValueError(
            f"{name}: must be asked for on the hub; agree to its terms there, then: hf auth login"
        ) from None
    except errors.RepositoryNotFoundError:
        raise ValueError(
            f"{name}: neither a folder here nor a public model of the hub; expected one of them"
        ) from None
    except ValueError:
        raise
    except Exception as error:  # the network's errors are a dozen kinds
        reason = said(error)
    try:
        return Path(
            snapshot_download(name, allow_patterns=list(_DESCRIPTIONS), local_files_only=True)
        )
    except Exception:  # as above
        raise ValueError(
            f"{name}: no such file or folder, and the hub cannot be reached ({reason})"
        ) from None


def wanted(name: str, names: list[str], dtype: DTypeLike) -> list[str]:
    """Patterns of the files to download, given the `names` of all files of a model.

    Raises ValueError, one line, when it is not in the layout of diffusers, or has no safetensors.
    """
    if folder.INDEX not in names:
        raise ValueError(
            f"{name}: has no {folder.INDEX} on the hub; expected a model in the layout of diffusers"
        )
    patterns = list(_DESCRIPTIONS)
    for network in folder.STEMS:
        own = [one.removeprefix(f"{network}/") for one in names if fnmatch(one, f"{network}/*")]
        chosen = folder.choose(network, own, dtype)
        if chosen is None or chosen.endswith(".bin"):
            raise ValueError(f"{name}: has no safetensors in {network}/ on the hub; expected some")
        patterns.append(f"{network}/{chosen}")
        if chosen.endswith(".json"):
            patterns.append(f"{network}/*-of-*.safetensors")
    return patterns
