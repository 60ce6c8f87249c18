"""Make cases of which the true answer is known: cut-outs moved over photos.

    python -m experiments.make_cases --out=out/cases --count=40 --seed=0
    python -m experiments.make_cases --out=out/hard --count=12 --kinds=crossing,pan,part

The first writes 40 folders with `source.png`, `flow.npz`, `answer.png` and `prompt.txt`, 512 pixels
a side, in about a minute; the second, 12 of each of these kinds of hard ones, which
`experiments.hard_cases` describes: their `flow.npz` also says which object each pixel is of (key
`order`), and masks show it. A seed gives the same cases on every machine, and the first of many are
those of few. `--cutouts` and `--photos` name folders of your own; the shipped ones are described in
`experiments/data/NOTICE.md`. A case that exists already is refused: after a stop remove the folder,
or name another. `python -m experiments.evaluate` reads the result.
"""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

from absl import flags
from tqdm import tqdm

from experiments import command, hard_cases, material, scenes
from mg_jax import cases

_DATA = Path(__file__).parent / "data"

_OUT = flags.DEFINE_string("out", "out/cases", "folder to write the cases to")
_COUNT = flags.DEFINE_integer("count", 40, "how many cases", lower_bound=1, upper_bound=1000)
_SEED = flags.DEFINE_integer("seed", 0, "which cases: whole numbers from 0", lower_bound=0)
_KINDS = flags.DEFINE_list(
    "kinds", None, f"hard cases instead, --count of each: {', '.join(hard_cases.KINDS)}"
)
_SIZE = flags.DEFINE_integer("size", 512, "pixels a side", lower_bound=128, upper_bound=2048)
_CUTOUTS = flags.DEFINE_string("cutouts", str(_DATA / "cutouts"), "folder of pictures with alpha")
_PHOTOS = flags.DEFINE_string("photos", str(_DATA / "backgrounds"), "folder of photos")


def main() -> None:
    """Make what the flags ask for."""
    made_of = material.read(Path(_PHOTOS.value), Path(_CUTOUTS.value))
    draws: list[Callable[..., cases.Case]] = [partial(hard_cases.draw, kind) for kind in _kinds()]
    draws = draws or [scenes.draw]
    each = list(itertools.product(draws, range(_COUNT.value)))
    for draw, index in tqdm(each, disable=None, unit="case"):
        case = draw(made_of, _SEED.value, index, _SIZE.value)
        cases.write(Path(_OUT.value) / case.name, case)
    print(_OUT.value)


def _kinds() -> list[str]:
    """Read the kinds that are asked for, each once. Raises ValueError."""
    if _KINDS.value is None:
        return []
    for kind in _KINDS.value or [""]:
        if kind not in hard_cases.KINDS:
            raise ValueError(
                f"--kinds: unknown {kind!r}; expected some of {', '.join(hard_cases.KINDS)}"
            )
    return list(dict.fromkeys(_KINDS.value))


if __name__ == "__main__":
    command.run(main)
