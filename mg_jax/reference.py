"""Read and write data directories of the PyTorch reference (github.com/dangeng/motion_guidance).

    DIR/pred.png                    the picture, 512 x 512
    DIR/start_zt.pth                [1, 4, 64, 64]: the noise that sampling starts from
    DIR/flows/NAME.pth              [1, 2, 512, 512]: (dx, dy) in pixels
    DIR/flows/NAME.mask.pth         bool [1, 4, 64, 64]: True = keep the source
    DIR/latents/zt.00000.pth ...    [1, 4, 64, 64] each: the source at every level, noisiest first
    DIR/guidance_schedule.npy       [500]; or one folder up, as in the reference's own data

Only the picture is required. Other sizes are allowed; latents are an eighth of the picture's size.
The `.pth` files need PyTorch, and are read without running pickled code.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Shaped, UInt8

from flows import files, tensors
from flows.files.broken import BROKEN
from mg_jax import images

_FACTOR = 8  # pixels along a side of one latent
_CHANNELS = 4  # of a latent
_PICTURE, _START, _SCHEDULE = "pred.png", "start_zt.pth", "guidance_schedule.npy"
_FLOWS, _LATENTS, _MASK = "flows", "latents", ".mask.pth"
# The correlation of neighbours is about 0 in noise, 0.7 and more in a photo's latents. The variance
# cannot tell them apart: it is about 1 in both.
_CLEANER = 0.3


class Inputs(NamedTuple):
    """A directory's content that an edit uses, in this package's axes; None for missing files."""

    image: UInt8[np.ndarray, "H W 3"]
    flow: Float32[np.ndarray, "H W 2"] | None
    keep: Bool[np.ndarray, "h w c"] | None  # True = keep the source; c is 1 where channels agree
    start: Float32[np.ndarray, "h w c"] | None
    latents: Float32[np.ndarray, "levels h w c"] | None  # noisiest first
    ramp: Float32[np.ndarray, " levels"] | None  # multiplies the guidance weight


def read(folder: Path, flow_name: str | None = None, levels: int | None = None) -> Inputs:
    """Read a directory.

    `flow_name` is NAME or NAME.pth, and may be left out if there is at most one flow. `levels`, if
    given, is the number of schedule values and latents that is required.

    Raises:
        ValueError: one line that names the file: missing, broken, of a wrong shape or type, not
            finite, latents in the wrong order or number, or a flow that must be named.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; expected one with {_PICTURE}")
    image = images.read(folder / _PICTURE)
    height, width = image.shape[:2]
    if height % _FACTOR or width % _FACTOR:
        raise ValueError(
            f"{folder / _PICTURE}: {width}x{height}; expected sides that are multiples of {_FACTOR}"
        )
    grid = (height // _FACTOR, width // _FACTOR)
    name = named_flow(folder, flow_name)
    start, mask = folder / _START, folder / _FLOWS / f"{name}{_MASK}"
    schedule = _schedule(folder)
    inputs = Inputs(
        image=image,
        flow=None if name is None else _flow(folder / _FLOWS / f"{name}.pth", (height, width)),
        keep=_keep(mask, grid) if name is not None and mask.exists() else None,
        start=_latent(start, grid) if start.exists() else None,
        latents=_latents(folder / _LATENTS, grid) if (folder / _LATENTS).exists() else None,
        ramp=None if schedule is None else _ramp(schedule),
    )
    if levels is None and inputs.latents is not None:
        levels = len(inputs.latents)
    if levels is not None:
        _check_levels(folder, schedule, inputs, levels)
    return inputs


def named_flow(folder: Path, asked: str | None = None) -> str | None:
    """Return the name of the flow that `read` reads, without its suffix; None if there is none.

    Raises:
        ValueError: there is no flow of the name `asked`, or there are several and none is asked
            for.
    """
    place = folder / _FLOWS
    names = sorted(
        path.name.removesuffix(".pth")
        for path in place.glob("*.pth")
        if not path.name.endswith(_MASK)
    )
    listed = ", ".join(names) or "none"
    if asked is not None:
        name = asked.removesuffix(".pth")
        if name not in names:
            raise ValueError(f"{place / name}.pth: no such flow; expected one of: {listed}")
        return name
    if len(names) > 1:
        raise ValueError(f"{place}: holds {len(names)} flows; expected the name of one: {listed}")
    return names[0] if names else None


def write(folder: Path, inputs: Inputs, flow_name: str) -> None:
    """Write a directory that `read` and the reference can read; each file whole or not at all.

    Raises:
        ValueError: the folder cannot be written, or PyTorch is not installed.
    """
    _made(folder)
    images.write(folder / _PICTURE, inputs.image)
    if inputs.flow is not None:
        _write(_made(folder / _FLOWS) / f"{flow_name}.pth", inputs.flow)
    if inputs.keep is not None:
        keep = np.broadcast_to(inputs.keep, (*inputs.keep.shape[:2], _CHANNELS))
        _write(_made(folder / _FLOWS) / f"{flow_name}{_MASK}", keep)
    if inputs.latents is not None:
        write_latents(folder, inputs.latents)
    if inputs.start is not None:
        _write(folder / _START, inputs.start)
    if inputs.ramp is not None:
        with files.atomic(folder / _SCHEDULE) as stream:
            np.save(stream, inputs.ramp, allow_pickle=False)


def write_latents(folder: Path, latents: Float32[np.ndarray, "levels h w c"]) -> None:
    """Write a trajectory, noisiest first, and its first latent as the start.

    Latents in the folder are replaced, by all of the new ones or by none.

    Raises:
        ValueError: the folder cannot be written, or PyTorch is not installed.
    """
    final = _made(folder) / _LATENTS
    try:
        with files.atomic_folder(final, replaces=True) as unfinished:
            for level, latent in enumerate(latents):
                _write(unfinished / f"zt.{level:05}.pth", latent)
    except OSError as error:
        raise ValueError(f"{final}: cannot be written ({error.strerror})") from error
    _write(folder / _START, latents[0])


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{folder}: cannot be made ({error.strerror}); expected a writable folder"
        ) from error
    return folder


def _write(path: Path, array: Shaped[np.ndarray, "h w c"]) -> None:
    with files.atomic(path) as stream:
        tensors.write(stream, path, array.transpose(2, 0, 1)[None])


def _flow(path: Path, shape: tuple[int, int]) -> Float32[np.ndarray, "H W 2"]:
    raw = tensors.read(path)
    expected = [1, 2, *shape]
    if raw.ndim == 3 and raw.shape[2] == 2:
        raise ValueError(
            f"{path}: {list(raw.shape)}, as the reference's GUI saves it, for all pixels; expected"
            f" {expected}: zero it outside the object, then flow.permute(2, 0, 1)[None]"
        )
    _check(path, raw, expected, "f", "floating-point pixels")
    return _ours(raw)


def _keep(path: Path, grid: tuple[int, int]) -> Bool[np.ndarray, "h w c"]:
    raw = tensors.read(path)
    _check(path, raw, [1, _CHANNELS, *grid], "b", "bool, True = keep the source")
    keep = np.ascontiguousarray(raw[0].transpose(1, 2, 0))
    return keep[..., :1] if (keep == keep[..., :1]).all() else keep


def _latent(path: Path, grid: tuple[int, int]) -> Float32[np.ndarray, "h w c"]:
    raw = tensors.read(path)
    _check(path, raw, [1, _CHANNELS, *grid], "f", "floating-point numbers")
    return _ours(raw)


def _latents(folder: Path, grid: tuple[int, int]) -> Float32[np.ndarray, "levels h w c"]:
    numbers = {
        int(matched[1])
        for path in folder.iterdir()
        if (matched := re.fullmatch(r"zt\.(\d{5})\.pth", path.name))
    }
    if not numbers:
        raise ValueError(f"{folder}: holds no latents; expected zt.00000.pth, zt.00001.pth, ...")
    for level in range(max(numbers)):
        if level not in numbers:
            raise ValueError(
                f"{folder}/zt.{level:05}.pth: missing; expected all from zt.00000.pth to"
                f" zt.{max(numbers):05}.pth"
            )
    latents = np.stack([_latent(folder / f"zt.{i:05}.pth", grid) for i in range(len(numbers))])
    if _likeness(latents[0]) > _likeness(latents[-1]) + _CLEANER:
        raise ValueError(
            f"{folder}: cleanest first, as the reference's ddim_inversion.py writes them; expected"
            f" the noisiest first: rename zt.N.pth to zt.({len(numbers) - 1} - N).pth"
        )
    return latents


def _likeness(latent: Float32[np.ndarray, "h w c"]) -> float:
    """Correlation of horizontal neighbours."""
    centred = latent - latent.mean(axis=(0, 1))
    return float((centred[:, 1:] * centred[:, :-1]).mean() / max(np.square(centred).mean(), 1e-12))


def _schedule(folder: Path) -> Path | None:
    """Find the schedule's file: in the folder, else in its parent; None if there is none."""
    places = (folder / _SCHEDULE, folder.absolute().parent / _SCHEDULE)
    return next((place for place in places if place.exists()), None)


def _ramp(path: Path) -> Float32[np.ndarray, " levels"]:
    try:
        with path.open("rb") as stream:
            raw = np.lib.format.read_array(stream, allow_pickle=False)
    except BROKEN as error:
        raise ValueError(f"{path}: not a readable .npy file; expected a vector") from error
    _check(path, raw, [raw.size], "f", "floating-point numbers")
    return raw.astype(np.float32)


def _check_levels(folder: Path, schedule: Path | None, inputs: Inputs, levels: int) -> None:
    if inputs.latents is not None and len(inputs.latents) != levels:
        raise ValueError(
            f"{folder / _LATENTS}: {len(inputs.latents)} latents; expected {levels},"
            f" zt.00000.pth to zt.{levels - 1:05}.pth, one a level"
        )
    if inputs.ramp is not None and len(inputs.ramp) != levels:
        raise ValueError(f"{schedule}: {len(inputs.ramp)} values; expected {levels}, one a level")


def _check(
    path: Path, raw: Shaped[np.ndarray, "..."], shape: list[int], kind: str, what: str
) -> None:
    if list(raw.shape) != shape:
        raise ValueError(f"{path}: holds {list(raw.shape)}; expected {shape}")
    if raw.dtype.kind != kind:
        raise ValueError(f"{path}: holds {raw.dtype}; expected {what}")
    if not np.isfinite(raw).all():
        raise ValueError(f"{path}: holds NaN or infinite numbers; expected finite ones")


def _ours(raw: Shaped[np.ndarray, "1 c h w"]) -> Float32[np.ndarray, "h w c"]:
    return np.ascontiguousarray(raw[0].transpose(1, 2, 0), np.float32)
