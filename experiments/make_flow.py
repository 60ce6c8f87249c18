r"""Make the flow of a motion, or look at one that is there, before it is used.

    python -m experiments.make_flow --image=photo.jpg --object_mask="click 300,220" \
        --motion="rotate degrees=20" --out=out/flow.npz
    python -m experiments.make_flow --image=photo.jpg --out=out/flow.npz \
        --object_mask=cup.png --motion="translate dx=60" \
        --object_mask="polygon 10,20 100,20 50,80" --motion="scale factor=1.5"
    python -m experiments.make_flow --image=photo.jpg --flow=flow.pth --out=out/flow.npz

Writes the flow, in the format of --out's suffix, and beside it a picture, NAME_preview.png: what
moves, arrows, the flow in colours, and the photo with its pixels moved, chequered where an edit has
to invent something. With neither --image nor --motion it moves the cup of the photo that ships.
Prints how much moves, and how much of that leaves the picture. About five seconds; a click adds as
many.
"""

from pathlib import Path

from absl import flags

from experiments import command, motion_flags, writing
from flows import draw, files, masks, motions, parsing
from mg_jax import images, photos

flags.adopt_module_key_flags(motion_flags)
_out = flags.DEFINE_string("out", "out/flow.npz", "Flow file to write; the suffix names a format.")


def main() -> None:
    """Read, draw, write."""
    out = Path(_out.value)
    preview = out.with_name(f"{out.stem}_preview.png")
    files.check_suffix(out)
    writing.check_apart([out, preview], motion_flags.inputs(), f"--out={out}")
    photo = photos.read(motion_flags.image_path())
    flow, _, notes = motion_flags.read_flow(photo)
    writing.folder(out.parent, f"--out={out}")
    files.write(out, flow)
    images.write(preview, draw.preview(photo.pixels, flow))
    command.note(photo.notes + notes)
    moving = masks.moving(flow)
    share, left = moving.mean(), motions.leaving(flow, moving)
    print(
        f"{out}: {parsing.percent(share, 1)} of the picture moves, {parsing.percent(left, 1)} of"
        f" that leaves it; look at {preview}"
    )


if __name__ == "__main__":
    command.run(main)
