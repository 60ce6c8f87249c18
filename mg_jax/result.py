"""The result of an edit: pictures, their metrics, and how they were made."""

import contextlib
import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image as Pillow

from flows import draw, files
from flows.files.broken import BROKEN, said
from flows.motion import Motion
from mg_jax import history, images, metrics, photos
from mg_jax.animation import Animation
from mg_jax.history import History
from mg_jax.photos import PLAIN, Original

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Files in a result's folder; metrics.json is written last, so that its presence means complete.
PICTURE, OVERVIEW, HISTORY = "edited.png", "overview.png", "history.npz"
METRICS, ARRAYS, ABOUT = "metrics.json", "arrays.npz", "result.json"
FILES = (PICTURE, OVERVIEW, HISTORY, METRICS, ARRAYS, ABOUT)


@dataclass(frozen=True, eq=False)
class Result:
    """The result of an edit. Jupyter shows its picture; `==` compares all fields."""

    image: UInt8[np.ndarray, "h w 3"]  # of the first sample
    images: UInt8[np.ndarray, "b h w 3"]  # of all samples
    source: UInt8[np.ndarray, "h w 3"]
    flow: Float32[np.ndarray, "h w 2"]  # asked for, in pixels
    region: Bool[np.ndarray, "h w"]  # where the picture was allowed to change
    estimate: Float32[np.ndarray, "h w 2"]  # estimated from source to image, in pixels
    latents: Float32[np.ndarray, "b lh lw c"]  # the final ones; empty if the model has none
    history: History
    metrics: dict[str, Any]
    settings: dict[str, Any]  # the model's, by name
    seed: int
    estimates: tuple[UInt8[np.ndarray, "_ _ 3"], ...] = ()
    """The first sample's denoised estimates at the recorded levels, at their working sizes."""
    original: Original = PLAIN  # what the photo's file holds besides `source`

    def overview(self) -> UInt8[np.ndarray, "_ _ 3"]:
        """Make a sheet of the source, the flow asked for, the result, and its estimated flow."""
        largest = float(np.linalg.norm(self.flow, axis=-1).max())
        source, flow = draw.shrunk(self.source, self.flow)
        image, estimate = draw.shrunk(self.image, self.estimate)
        step = round(self.flow.shape[0] / flow.shape[0])
        asked, found = (
            draw.legend(draw.colors(one, largest / step), largest) for one in (flow, estimate)
        )
        return draw.sheet(
            [
                ("source and motion", draw.arrows(source, flow)),
                ("flow asked for", asked),
                ("edited", image),
                (metrics.verdict(self.metrics), found),
            ]
        )

    def plot(self) -> "Figure":
        """Plot the `overview`, and below it the energy and its terms over all evaluations.

        Raises:
            ValueError: matplotlib, an optional dependency, is not installed.
        """
        if find_spec("matplotlib") is None:
            raise ValueError("matplotlib: not installed; expected it, as by pip install matplotlib")
        from mg_jax import plotting  # needs matplotlib, which is optional and slow to import

        return plotting.figure(self.overview(), self.history)

    def animation(self, seconds: float = 4.0) -> Animation:
        """Animate the source, the recorded estimates level by level, and the result.

        Raises:
            ValueError: no level was recorded; see `record` of `mg_jax.edit`.
        """
        if not self.estimates:
            raise ValueError("estimates: none recorded; expected a result of edit(…, record=1)")
        height, width, _ = self.image.shape
        between = [images.resize(estimate, height, width) for estimate in self.estimates]
        return Animation([self.source, *between, self.image], seconds)

    def save(self, folder: Path | str) -> None:
        """Write everything to a folder, which is made if missing; files whole or not at all.

        An earlier result there is replaced, including the pictures of its further samples.
        """
        out = Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        (out / METRICS).unlink(missing_ok=True)
        for path in samples_in(out):
            path.unlink()
        names = [PICTURE, *(f"edited_{i}.png" for i in range(1, len(self.images)))]
        motion = Motion(self.flow)
        for name, image in zip(names, self.images, strict=True):
            whole = photos.restored(self.original, self.source, image, self.region, motion)
            images.write(out / name, whole, self.original.profile, self.original.exif)
        images.write(out / OVERVIEW, self.overview())
        history.write(out / HISTORY, self.history)
        with files.atomic(out / ARRAYS) as stream:
            arrays: dict[str, Any] = {name: getattr(self, name) for name in _STORED}
            arrays |= {f"{_ESTIMATE}{i}": estimate for i, estimate in enumerate(self.estimates)}
            if self.original.pixels is not None:  # then the pictures in files are not `images`
                arrays |= {_PIXELS: self.original.pixels, _IMAGES: self.images}
            for part in ("profile", "exif"):
                arrays[_ORIGINAL + part] = np.frombuffer(getattr(self.original, part), np.uint8)
            _write_arrays(stream, arrays)
        about = {"settings": self.settings, "seed": self.seed}
        for name, content in ((ABOUT, about), (METRICS, self.metrics)):
            with files.atomic(out / name) as stream:
                stream.write((json.dumps(content, indent=2) + "\n").encode())

    @staticmethod
    def load(folder: Path | str) -> "Result":
        """Read what `save` wrote.

        Raises:
            ValueError: the folder lacks a file, or one is broken; the message names it.
        """
        out = Path(folder)
        missing = [name for name in FILES if name != OVERVIEW and not (out / name).is_file()]
        if missing:
            raise ValueError(f"{out}: has no {missing[0]}; expected a folder by Result.save")
        further = sorted(samples_in(out), key=lambda path: int(path.stem.partition("_")[2]))
        pictures = np.stack([images.read(path) for path in (out / PICTURE, *further)])
        with _naming(out / HISTORY):
            rows = history.read(out / HISTORY)
        with _naming(out / ARRAYS), np.load(out / ARRAYS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in _STORED}
            recorded = sum(name.startswith(_ESTIMATE) for name in stored.files)
            estimates = tuple(stored[f"{_ESTIMATE}{i}"] for i in range(recorded))
            profile, exif = (  # results of earlier versions have none
                stored.get(_ORIGINAL + part, np.zeros(0, np.uint8)).tobytes()
                for part in ("profile", "exif")
            )
            original = Original(stored.get(_PIXELS), profile, exif)
            pictures = stored.get(_IMAGES, pictures)
        with _naming(out / METRICS):
            scores = json.loads((out / METRICS).read_text())
        with _naming(out / ABOUT):
            about = json.loads((out / ABOUT).read_text())
            settings, seed = about["settings"], about["seed"]
        return Result(
            image=pictures[0],
            images=pictures,
            history=rows,
            metrics=scores,
            settings=settings,
            seed=seed,
            estimates=estimates,
            original=original,
            **arrays,
        )

    def __eq__(self, other: object) -> bool:
        """Whether everything is equal, arrays element by element, NaN to NaN."""
        if not isinstance(other, Result):
            return NotImplemented
        return all(
            _same(getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """One line: size, number of samples, model, seed, and how well the motion was met."""
        samples, height, width, _ = self.images.shape
        return (
            f"Result({width}x{height}, {samples} sample{'s' * (samples > 1)},"
            f" {self.metrics.get('model')}, seed {self.seed}: {metrics.verdict(self.metrics)})"
        )

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        Pillow.fromarray(self.image).save(stream, "png")
        return stream.getvalue()


_STORED = ("source", "flow", "region", "estimate", "latents")
_ESTIMATE = "estimates."  # prefix of a recorded estimate's number
_ORIGINAL = "original."  # prefix of a part of the photo's `Original`
_PIXELS, _IMAGES = f"{_ORIGINAL}pixels", "images"


def _write_arrays(stream: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz, compressed for speed, which NumPy itself cannot."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)


def samples_in(out: Path) -> list[Path]:
    """List the pictures of further samples in a folder."""
    return [path for path in out.glob("*.png") if re.fullmatch(r"edited_\d+", path.stem)]


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn errors about a broken file into a ValueError that names it."""
    try:
        yield
    except BROKEN as error:
        raise ValueError(f"{path}: broken ({said(error)}); expected as by Result.save") from error


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, History | Original):
        return _same(one._asdict(), other._asdict())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other)
