"""What a run is of: everything that its result depends on, by name.

A saved run goes on only if all of it is the same.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import UInt8

import flows
from mg_jax import networks
from mg_jax.interfaces import Request, Weighted
from mg_jax.settings import Settings

Fingerprint = dict[str, str]
"""A short text, or the SHA-256 of arrays, for each named part."""

_LONGEST = 40  # of a value that a message shows


def of_request(request: Request, record: int) -> Fingerprint:
    """The fingerprint of an edit that keeps the estimate of every `record`-th level."""
    return {**_of_edit(request), "record": str(record), **_of_networks(request)}


def of_batch(requests: Sequence[Request]) -> Fingerprint:
    """The fingerprint of several edits that one program runs, with the same networks."""
    each = [_of_edit(request) for request in requests]
    return {
        **{f"edits[{i}].{name}": value for i, of in enumerate(each) for name, value in of.items()},
        **_of_networks(requests[0]),
    }


def of_inversion(
    photo: UInt8[np.ndarray, "h w 3"], prompt: str, model: str, weights: Any, settings: Settings
) -> Fingerprint:
    """The fingerprint of a photo's inversion; `model` is the name that it is stored with."""
    return {
        "model": model,
        "weights": digest(weights),
        "photo": digest(photo),
        "prompt": prompt,
        **of_settings(settings),
        **of_programs(),
    }


def of_settings(settings: Settings) -> Fingerprint:
    """A part for each setting."""
    return {name: str(value) for name, value in dataclasses.asdict(settings).items()}


def _of_edit(request: Request) -> Fingerprint:
    """What may differ from edit to edit of a batch."""
    return {
        "photo": digest(request.image),
        "flow": digest(request.flow),
        "order": digest(request.order),
        "keep_mask": digest(request.keep_mask),
        "prompt": request.prompt,
        "seed": str(request.seed),
        "samples": str(request.keys.size),
        "ramp": digest(request.ramp),
        "replay": digest(request.replay),
        **of_settings(request.settings),
    }


def _of_networks(request: Request) -> Fingerprint:
    model, energy = request.model, request.energy
    return {
        "model": model.name,
        "weights": digest(model.weights(request) if isinstance(model, Weighted) else ()),
        "energy": "" if energy is None else f"{energy.__module__}.{energy.__qualname__}",
        "flow_model": networks.name(request.flow_model),
        "flow_weights": digest(networks.flow_network(request.flow_model).params),
        "processes": str(jax.process_count()),
        "devices": str(1 if request.mesh is None else request.mesh.size),
        **of_programs(),
    }


@functools.cache
def of_programs() -> Fingerprint:
    """Our own code, and the versions of jax."""
    sources = hashlib.sha256()
    for package in (Path(__file__).parent, Path(flows.__file__).parent):
        for path in sorted(package.rglob("*.py")):
            sources.update(str(path.relative_to(package)).encode() + path.read_bytes())
    return {
        "code": sources.hexdigest(),
        "jax": metadata.version("jax"),
        "jaxlib": metadata.version("jaxlib"),
    }


def digest(tree: Any) -> str:
    """SHA-256 of a pytree's structure, its texts, and its arrays' dtypes, shapes and bytes."""
    leaves, structure = jax.tree.flatten(tree, is_leaf=lambda leaf: leaf is None)
    total = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        if leaf is None or isinstance(leaf, str):
            total.update(repr(leaf).encode())
            continue
        array = np.ascontiguousarray(leaf)
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(array.view(np.uint8).data if array.size else b"")
    return total.hexdigest()


def differences(of: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """What differs between the fingerprints of a saved run and of another, a text for each part."""
    names = dict.fromkeys((*of, *other))
    return [
        f"{name} {_short(of.get(name))}, now {_short(other.get(name))}"
        if max(len(of.get(name, "")), len(other.get(name, ""))) <= _LONGEST
        else f"another {name}"
        for name in names
        if of.get(name) != other.get(name)
    ]


def _short(value: str | None) -> str:
    return "not there" if value is None else value or "none"
