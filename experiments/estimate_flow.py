r"""Estimate the motion between two pictures, to ask it of a photo.

    python -m experiments.estimate_flow --first=before.png --second=after.png --out=flow.npz
    python -m experiments.estimate_flow --video=clip.mp4 --from_seconds=1.2 --to_seconds=1.5 \
        --target=photo.jpg --object_mask="click 300,220" --out=out/flow.npz
    python -m experiments.edit --image=photo.jpg --flow=out/flow.npz --out=out/transferred

The flow between the pictures, by RAFT, there and back; where the way back does not end at the start
it is not believed. Cleaned, so that objects move whole and the background rests, and brought to the
size of the --target; there an --object_mask moves as one, though the video's object has another
outline. --out is any flow file; beside it goes a sheet of pictures, NAME_preview.png.
Frames of 1280 x 720 pixels take 12 to 15 seconds of processor time, and 1.1 GiB.
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags
from jaxtyping import Bool, Float32, UInt8

from experiments import command, program_flags, reading, writing
from flows import (
    cleaning,
    consistency,
    draw,
    files,
    fitting,
    hole_filling,
    masks,
    parsing,
    raft,
    selections,
    video,
)
from mg_jax import arguments, images, metrics, photos
from mg_jax.photos import Photo

flags.adopt_module_key_flags(program_flags)
_first = flags.DEFINE_string("first", None, "Picture before the motion.")
_second = flags.DEFINE_string("second", None, "Picture after it, of the same size.")
_video = flags.DEFINE_string("video", None, "Instead of two pictures: a video.")
_from_seconds = flags.DEFINE_float("from_seconds", None, "Time in the --video of the first.")
_to_seconds = flags.DEFINE_float("to_seconds", None, "Time in the --video of the second.")
_PAIR: tuple[flags.FlagHolder[Any], ...] = (_first, _second, _video, _from_seconds, _to_seconds)
_frame_mask = flags.DEFINE_string(
    "frame_mask",
    None,
    "What of the first picture counts, the rest rests: a picture, white there, or words, as"
    ' "rectangle 10,20 100,200", "polygon 10,20 100,20 50,80" or "click 300,220".',
)
_target = flags.DEFINE_string(
    "target", None, "Photo that the motion is for: its size becomes the flow's, pixels rescaled."
)
_object_mask = flags.DEFINE_string(
    "object_mask",
    None,
    "What moves in the target, as --frame_mask: all of it, by the nearest motion, no other pixel.",
)
_least_motion = flags.DEFINE_float(
    "least_motion",
    1.0,
    "What moves by less, in pixels of the first picture, rests.",
    lower_bound=0,
)
_least_region = flags.DEFINE_float(
    "least_region",
    0.001,
    "Smaller moving regions, as a share of the picture, rest.",
    lower_bound=0,
    upper_bound=1,
)
_flow_model = flags.DEFINE_string(
    "flow_model", "raft-small", "Flow network: raft-small, raft-sintel, raft-kitti or a file."
)
_out = flags.DEFINE_string("out", "out/flow.npz", "Flow file to write: .npz, .npy, .flo or .png.")


class _Pair(NamedTuple):
    """Two pictures of one size, and what to call them."""

    first: UInt8[np.ndarray, "h w 3"]
    second: UInt8[np.ndarray, "h w 3"]
    names: tuple[str, str]


def main() -> None:
    """Read, estimate, clean, fit, write."""
    program_flags.keep()
    for flag in (_least_motion, _least_region):
        if math.isnan(flag.value):  # which absl's bounds let pass
            raise ValueError(f"--{flag.name}: nan; expected a number from 0")
    out = Path(_out.value)
    preview = out.with_name(f"{out.stem}_preview.png")
    files.check_suffix(out)
    writing.check_apart([out, preview], _inputs(), f"--out={out}")
    pair = _read_pair()
    target = photos.read(_target.value) if _target.value else Photo(pair.first)
    photo = target.pixels
    counts = _selection(_frame_mask, Photo(pair.first))
    moves = _selection(_object_mask, target)
    network = raft.load(_flow_model.value)
    writing.folder(out.parent, f"--out={out}")

    there = metrics.flow_between(network, pair.first, pair.second)
    back = metrics.flow_between(network, pair.second, pair.first)
    known = consistency.consistent(there, back)
    least = math.ceil(_least_region.value * known.size)
    cleaned = cleaning.clean(there, known, _least_motion.value, least)
    flow = fitting.fit(_within(counts, cleaned), *photo.shape[:2])
    moved = masks.moving(flow)
    if not moved.any():
        raise ValueError(
            f"{pair.names[1]}: nothing of {pair.names[0]} has moved for certain; expected a longer"
            " time between them, or a lower --least_motion or --least_region"
        )
    if moves is not None:
        flow, moved = _within(moves, hole_filling.spread(flow, moved)), moves

    files.write(out, flow)
    images.write(preview, _sheet(pair, there, known, photo, flow))
    print(
        f"{out}: {parsing.percent(known.mean(), 1)} of the pixels are consistent;"
        f" {parsing.percent(moved.mean(), 1)} move, by"
        f" {np.linalg.norm(flow[moved], axis=-1).mean():.1f} px in the mean; look at {preview}"
    )


def _selection(
    flag: "flags.FlagHolder[str | None]", photo: Photo
) -> Bool[np.ndarray, "h w"] | None:
    if flag.value is None:
        return None
    mask, notes = arguments.selection(f"--{flag.name}", flag.value, photo)
    command.note(notes)
    return mask


def _inputs() -> list[str]:
    """The files that the flags name."""
    named = (_first, _second, _video, _frame_mask, _target, _object_mask, _flow_model)
    texts = [flag.value for flag in named if flag.value and not selections.is_words(flag.value)]
    return [selections.labelled(text)[0] for text in texts]


def _read_pair() -> _Pair:
    """The two pictures, or the two frames."""
    match [flag.value for flag in _PAIR]:
        case [str(before), str(after), None, None, None]:
            first, second = images.read(before), images.read(after)
            if first.shape != second.shape:
                raise ValueError(
                    f"{after}: {reading.size_text(second.shape)} pixels; expected"
                    f" {reading.size_text(first.shape)}, the size of {before}"
                )
            return _Pair(first, second, (before, after))
        case [None, None, str(clip), float(start), float(end)]:
            frames = [video.frame(clip, seconds) for seconds in (start, end)]
            before, after = (f"{clip} at {frame.seconds:.2f} s" for frame in frames)
            return _Pair(frames[0].picture, frames[1].picture, (before, after))
    given = [f"--{flag.name}" for flag in _PAIR if flag.value is not None]
    raise ValueError(
        f"{', '.join(given) or '--first, --video'}: {'alone' if given else 'none'} given; expected"
        " --first and --second, or --video, --from_seconds and --to_seconds"
    )


def _within(
    mask: Bool[np.ndarray, "h w"] | None, flow: Float32[np.ndarray, "h w 2"]
) -> Float32[np.ndarray, "h w 2"]:
    """Rest outside a mask, if there is one."""
    return flow if mask is None else np.where(mask[..., None], flow, np.float32(0))


def _sheet(
    pair: _Pair,
    estimate: Float32[np.ndarray, "h w 2"],
    known: Bool[np.ndarray, "h w"],
    photo: UInt8[np.ndarray, "H W 3"],
    flow: Float32[np.ndarray, "H W 2"],
) -> UInt8[np.ndarray, "_ _ 3"]:
    return draw.sheet(
        [
            (Path(pair.names[0]).name, pair.first),
            (Path(pair.names[1]).name, pair.second),
            ("flow found", _painted(estimate)),
            ("consistent", np.where(known[..., None], pair.first, np.uint8(255))),
            ("flow asked for", _painted(flow)),
            ("on the photo", draw.arrows(photo, flow)),
        ]
    )


def _painted(flow: Float32[np.ndarray, "h w 2"]) -> UInt8[np.ndarray, "h w 3"]:
    largest = float(np.linalg.norm(flow, axis=-1).max())
    return draw.legend(draw.colors(flow, largest), largest)


if __name__ == "__main__":
    command.run(main)
