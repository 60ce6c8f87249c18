"""The flags of a photo and its motion, and what they mean: for programs that take both."""

from pathlib import Path

import numpy as np
from absl import flags
from jaxtyping import Float32, UInt8

from experiments import reading
from flows import files, motions, selections
from mg_jax import arguments, checking
from mg_jax.arguments import Moved

_DATA = Path(__file__).parent / "data"
IMAGE, MASK, MOTION = _DATA / "coffee.png", _DATA / "coffee_mask.png", "translate dx=105 dy=0"

image = flags.DEFINE_string("image", None, "Photo (default: the one that ships).")
flow = flags.DEFINE_string(
    "flow",
    None,
    "Flow file of the photo's size: .npz, .npy, .flo, .png (KITTI) or .pth; in --reference_dir, its"
    " name.",
)
motion = flags.DEFINE_multi_string(
    "motion",
    None,
    f"Motion of an object in words: {', '.join(motions.MOTIONS)}, as"
    ' "translate dx=150 dy=0" or "rotate degrees=20; translate dx=40", one after the other (a word'
    " alone tells its parameters); given several times, of several objects.",
)
object_mask = flags.DEFINE_multi_string(
    "object_mask",
    None,
    "What --motion moves: a picture, white or opaque there, or words, as"
    ' "rectangle 10,20 100,200", "polygon 10,20 100,20 50,80", "click 300,220" or "everything"; one'
    " for each --motion, in their order: later ones lie on top.",
)


def image_path() -> Path:
    """The photo's file."""
    return Path(image.value) if image.value else IMAGE


def read_flow(photo: UInt8[np.ndarray, "h w 3"]) -> Moved:
    """Read the flow file, or draw the motions of the masks, the later on top.

    Raises:
        ValueError: flags that exclude or miss one another, or whatever they name is at fault, or
            makes a flow that no edit could use.
    """
    if flow.value and motion.value:
        raise ValueError("--flow, --motion: both given; expected one of them")
    if flow.value:
        return Moved(_flow_file(flow.value, photo.shape[:2]), None)
    if image.value and not motion.value:
        raise ValueError("--flow, --motion: none given; expected one of them with --image")
    if image.value and not object_mask.value:
        raise ValueError(
            "--object_mask: none given; expected a picture, white where --motion moves, or words"
        )
    texts, names = motion.value or [MOTION], object_mask.value or [str(MASK)]
    if len(texts) != len(names):
        raise ValueError(
            f"--object_mask: given {len(names)} times, --motion {len(texts)} times; expected a mask"
            " for each motion"
        )
    parsed = [motions.parse(text) for text in texts]  # its faults first: a click takes seconds
    selected = [arguments.selection("--object_mask", name, photo) for name in names]
    objects = list(zip(parsed, selected, strict=True))
    drawn = motions.together(objects)
    with reading.named({"flow": "--motion"}):
        checking.flow(drawn, photo.shape[:2])
    return Moved(drawn, motions.order(objects))


def inputs() -> list[str]:
    """The files that the flags name, or stand for."""
    if flow.value:
        masks = []
    else:
        masks = [text for text in object_mask.value or [str(MASK)] if not selections.is_words(text)]
    return [str(image_path()), *([flow.value] if flow.value else masks)]


def _flow_file(path: str, shape: tuple[int, int]) -> Float32[np.ndarray, "h w 2"]:
    if object_mask.value:
        raise ValueError("--object_mask: goes with --motion; --flow says itself what moves")
    field = files.read(path)
    if field.shape[:2] != shape:
        raise ValueError(
            f"{path}: {reading.size_text(field.shape[:2])} pixels;"
            f" expected {reading.size_text(shape)}, the size of {image_path()}"
        )
    with reading.named({"flow": path}):
        checking.flow(field, shape)
    return field
