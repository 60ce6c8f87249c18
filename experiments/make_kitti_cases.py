"""Make the paper's automatic set from your KITTI folder: objects of the street, random motions.

    python -m experiments.make_kitti_cases --kitti=data_semantics --out=out/kitti --count=50

writes 50 folders with `source.png`, `flow.npz` and `prompt.txt` in seconds: squares of photos, 512
pixels a side as in the paper, in which a car, a person … that is seen whole is to move, grow,
shrink, stretch or turn. What is behind it nobody knows: there is no `answer.png`. `--kitti` is the
unpacked archive `data_semantics.zip` of KITTI's semantic instance benchmark, which is not part of
this repository. A case that exists already is refused: after a stop remove the folder, or name
another. `python -m experiments.evaluate` reads the result.
"""

from pathlib import Path

from absl import flags
from tqdm import tqdm

from experiments import command, kitti
from mg_jax import cases

_KITTI = flags.DEFINE_string("kitti", None, "folder with training/image_2 and training/instance")
_OUT = flags.DEFINE_string("out", "out/kitti", "folder to write the cases to")
_COUNT = flags.DEFINE_integer("count", 50, "how many cases", lower_bound=1, upper_bound=1000)
_SEED = flags.DEFINE_integer("seed", 0, "which cases: whole numbers from 0", lower_bound=0)
_SIZE = flags.DEFINE_integer("size", 512, "pixels a side", lower_bound=128, upper_bound=2048)


def main() -> None:
    """Make what the flags ask for."""
    if not _KITTI.value:
        raise ValueError("--kitti: is missing; expected the folder of KITTI's instance benchmark")
    pairs = kitti.find(Path(_KITTI.value))
    for index in tqdm(range(_COUNT.value), disable=None, unit="case"):
        case = kitti.draw(pairs, _SEED.value, index, _SIZE.value)
        cases.write(Path(_OUT.value) / case.name, case)
    print(_OUT.value)


if __name__ == "__main__":
    command.run(main)
