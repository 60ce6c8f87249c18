"""The flags of a photo and its motion, and what they mean: for programs that take both."""

from pathlib import Path

import numpy as np
from absl import flags

from experiments import reading
from flows import adapting, motions, parsing, selections
from mg_jax import arguments, checking, mask_files
from mg_jax.arguments import Moved
from mg_jax.photos import Photo

_DATA = Path(__file__).parent / "data"
IMAGE, MASK, MOTION = _DATA / "coffee.png", _DATA / "coffee_mask.png", "translate dx=105 dy=0"

image = flags.DEFINE_string("image", None, "Photo (default: the one that ships).")
flow = flags.DEFINE_string(
    "flow",
    None,
    "Flow file of the photo's size, or of its proportions: .npz, .npy, .flo, .png (KITTI), .pfm or"
    " .pth; in --reference_dir, its name.",
)
flow_is = flags.DEFINE_enum(
    "flow_is",
    "forward",
    ["forward", "backward"],
    "Whether --flow says where the photo's pixels go, or where the result's come from.",
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
    "What --motion moves, or all that --flow moves: a picture, white or opaque there (NAME#15,"
    " NAME#800000: a label of it), or words, as"
    ' "rectangle 10,20 100,200", "polygon 10,20 100,20 50,80", "click 300,220" or "everything"; one'
    " for each --motion, in their order: later ones lie on top.",
)


def image_path() -> Path:
    """The photo's file."""
    return Path(image.value) if image.value else IMAGE


def read_flow(photo: Photo) -> Moved:
    """Read the flow file, or draw the motions of the masks, the later on top.

    Raises:
        ValueError: flags that exclude or miss one another, or whatever they name is at fault, or
            makes a flow that no edit could use.
    """
    if flow.value and motion.value:
        raise ValueError("--flow, --motion: both given; expected one of them")
    if flow.value:
        return _flow_file(flow.value, photo)
    if flow_is.value != "forward":
        raise ValueError("--flow_is: of a flow file, but no --flow is given; expected one")
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
    select = selection if object_mask.value else arguments.selection  # ours is nobody's surprise
    selected = [select("--object_mask", name, photo) for name in names]
    objects = [(one, moves.mask) for one, moves in zip(parsed, selected, strict=True)]
    drawn = motions.together(objects)
    with reading.named({"flow": "--motion"}):
        checking.flow(drawn, photo.pixels.shape[:2])
    return Moved(drawn, motions.order(objects), sum((one.notes for one in selected), ()))


def selection(flag: str, text: str, photo: Photo) -> mask_files.Selection:
    """Read what a flag selects; of a file, it is noted how much that is.

    Raises:
        ValueError: as `arguments.selection`.
    """
    selected = arguments.selection(flag, text, photo)
    if selected.notes or selections.is_words(text):
        return selected
    share = parsing.percent(float(selected.mask.mean()), 0)
    return selected._replace(notes=(f"{text}: selects {share} of the picture",))


def inputs() -> list[str]:
    """The files that the flags name, or stand for."""
    masks = object_mask.value or ([] if flow.value else [str(MASK)])
    files = [selections.labelled(text)[0] for text in masks if not selections.is_words(text)]
    return [str(image_path()), *([flow.value] if flow.value else []), *files]


def _flow_file(path: str, photo: Photo) -> Moved:
    """Read a flow file; if there are masks, what lies outside all of them rests."""
    masks = [selection("--object_mask", text, photo) for text in object_mask.value or ()]
    within = np.any([selected.mask for selected in masks], axis=0) if masks else None
    shape = (photo.pixels.shape[0], photo.pixels.shape[1])
    adapted = adapting.read(path, shape, within, backward=flow_is.value == "backward")
    with reading.named({"flow": path}):
        checking.flow(adapted.flow, shape)
    return Moved(adapted.flow, None, sum((selected.notes for selected in masks), adapted.notes))
