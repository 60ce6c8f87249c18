"""One method on one case: made, measured, and kept on disk, so that nothing is done twice.

A row is METHOD.json, and METHOD.png where the picture is made here. The record says by digests what
the picture was made from (source, flow, prompt, settings, seed) and what it was measured with
(answer, judge, CLIP, the ruler's code): what differs is made or measured again. The packages' code
is recorded with the picture, for the reader to judge: most changes do not touch most methods.
"""

import functools
import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

import flows
import mg_jax
from experiments import methods
from experiments.methods import Method, Picture
from flows import files
from flows.interfaces import FlowNetwork
from mg_jax import cases, checkpoints, compilation, fidelity, filling, images, metrics, nn
from mg_jax.cases import Case
from mg_jax.models import clip, text

Scores = dict[str, float | None]
"""Metric -> value, None where it is not defined."""

REFERENCE, ANSWER = "reference", "answer"
"""Rows of pictures that a case brings: another program's, and the truth, the judge's own error."""

# What measures, and all of ours that it rests on.
_RULER = (flows, metrics, filling, fidelity, images, cases, nn, checkpoints, text, clip)


class Ruler(NamedTuple):
    """What pictures are measured with."""

    judge: FlowNetwork
    similarity: Callable[[Picture, str], float] | None  # of a picture and a text, by CLIP
    description: dict[str, str]  # names and digests of the weights


class Row(NamedTuple):
    """A picture's scores."""

    scores: Scores
    code: str | None  # digest of the code that made the picture, None where it was brought


def edited(case: Case, name: str, method: Method, seed: int, ruler: Ruler, folder: Path) -> Row:
    """Row of a method: what is on disk in `folder` if it fits, else done now and kept there.

    Raises:
        ValueError: the method refuses the case, or the folder cannot be written.
    """
    record, picture = _found(case, name, method, seed, folder)
    if picture is None:
        start = time.perf_counter()
        try:
            with compilation.compile_time() as compiling:
                picture = method.edit(case, seed)
        except ValueError as error:
            raise ValueError(f"{case.name}: {name}: {error}") from error
        record = {
            "made": _made_from(case, method, seed),
            "picture": _digest(picture),
            "code": code(),
            "seconds": time.perf_counter() - start,
            "seconds_compile": compiling.seconds,
        }
        images.write(folder / f"{name}.png", picture)
    return _row(_measured(record, case, picture, ruler, folder / f"{name}.json"))


def kept(
    case: Case, name: str, method: Method, seed: int, ruler: Ruler, folder: Path
) -> Row | None:
    """Row of a method that is on disk in `folder`; None where it must be made or measured."""
    record, picture = _found(case, name, method, seed, folder)
    if picture is None or record.get("measured") != _measured_with(case, picture, ruler):
        return None
    return _row(record)


def brought(case: Case, name: str, ruler: Ruler, folder: Path) -> Row | None:
    """Row of the case's reference or answer, None where it has none; the rest as `edited`."""
    picture = case.reference if name == REFERENCE else case.answer
    if picture is None:
        return None
    file = folder / f"{name}.json"
    record = _measured(_read(file), case, picture, ruler, file)
    scores = dict(record["scores"])
    if name == ANSWER:  # against itself
        scores |= dict.fromkeys(("psnr", "psnr_region", "ssim", "ssim_region"))
    return Row(scores, None)


def score(case: Case, picture: Picture, ruler: Ruler) -> Scores:
    """Measure a picture: see `mg_jax.metrics` and `mg_jax.fidelity`; clip: cosine with the prompt.

    None: fidelity without an answer, clip without a prompt or weights, a mean over no pixel, errors
    of a flow that the judge cannot tell.
    """
    region = case.motion.region
    estimate = metrics.flow_between(ruler.judge, case.source, picture)
    judged = _measurable(ruler.judge, case)
    scores: Scores = metrics.measure(case.source, picture, case.motion, region, estimate, judged)
    del scores["kept_l1"]  # no business of methods that keep another region
    if not case.motion.background.any():
        scores["background_l1"] = None
    truth: Scores = dict.fromkeys(("psnr", "psnr_region", "ssim", "ssim_region"))
    if case.answer is not None:
        truth |= fidelity.compare(picture, case.answer, region)
    by_clip: Scores = {"clip": None}
    if ruler.similarity is not None and case.prompt:
        by_clip["clip"] = ruler.similarity(picture, case.prompt)
    return {**scores, **truth, **by_clip}


@functools.lru_cache(maxsize=1)  # a case's pictures are measured one after the other
def _measurable(judge: FlowNetwork, case: Case) -> Bool[np.ndarray, "h w"]:
    """What the judge can tell of a case's motion."""
    return metrics.measurable(judge, case.source, case.motion)


@functools.cache
def code() -> str:
    """Digest of the packages' source: pictures of another version of it are not these."""
    return _digest(*map(_text, _files(flows, mg_jax, methods)))


def _row(record: dict[str, Any]) -> Row:
    seconds = {key: float(record[key]) for key in ("seconds", "seconds_compile")}
    return Row({**record["scores"], **seconds}, str(record["code"]))


def _made_from(case: Case, method: Method, seed: int) -> str:
    """Digest of all that a method's picture is made from."""
    return _digest(case.source, case.flow, case.prompt, method.settings, seed)


def _measured_with(case: Case, picture: Picture, ruler: Ruler) -> str:
    """Digest of all that a picture's scores depend on."""
    answer = () if case.answer is None else (case.answer,)
    given = (case.source, case.flow, case.prompt, picture, *answer)
    return _digest(*given, ruler.description, _ruler_code())


def _found(
    case: Case, name: str, method: Method, seed: int, folder: Path
) -> tuple[dict[str, Any], Picture | None]:
    """The record on disk, and its picture; None where it is to be made (again)."""
    record = _read(folder / f"{name}.json")
    if record.get("made") != _made_from(case, method, seed):
        return record, None
    return record, _kept(folder / f"{name}.png", record)


def _measured(
    record: dict[str, Any],
    case: Case,
    picture: Picture,
    ruler: Ruler,
    file: Path,
) -> dict[str, Any]:
    """The record with scores by this ruler, written if it had others."""
    measured = _measured_with(case, picture, ruler)
    if record.get("measured") == measured:
        return record
    record = {**record, "measured": measured, "scores": score(case, picture, ruler)}
    with files.atomic(file) as stream:
        stream.write((json.dumps(record, indent=2) + "\n").encode())
    return record


@functools.cache
def _ruler_code() -> str:
    """Digest of the code that measures: with another, all is measured again."""
    return _digest(*map(_text, _files(*_RULER, sys.modules[__name__])))


def _files(*modules: ModuleType) -> list[Path]:
    """Files of modules; a package's are all that lie in it."""
    files: list[Path] = []
    for module in modules:
        file = Path(str(module.__file__))
        files += sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    return files


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _read(file: Path) -> dict[str, Any]:
    """A record, empty where there is none that can be read."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _kept(file: Path, record: dict[str, Any]) -> Picture | None:
    """The picture that the record is of, None where the file is missing or another."""
    try:
        picture = images.read(file)
    except ValueError:
        return None
    return picture if _digest(picture) == record.get("picture") else None


def _digest(*parts: np.ndarray | str | int | dict[str, Any]) -> str:
    """Digest of arrays, texts, numbers and settings, in this order."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(
                f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
            )
        else:
            total.update(json.dumps(part, sort_keys=True).encode())
    return total.hexdigest()
