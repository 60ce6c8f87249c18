"""Cases that are hard for an edit, each of a kind, and each with its true answer.

Adding a kind is adding a function, from chance, material and the picture's side to a `Drawn`, and
its line in `KINDS`.
"""

import zlib
from collections.abc import Callable

from experiments.hard_cases import bodies, frames, objects
from experiments.hard_cases.casting import Drawn
from experiments.material import Material
from experiments.portable_rng import Chance
from mg_jax.cases import Case

KINDS: dict[str, Callable[[Chance, Material, int], Drawn]] = {
    "crossing": objects.crossing,
    "enlarge5": objects.enlarge5,
    "shrink5": objects.shrink5,
    "half_turn": objects.half_turn,
    "cut_off": frames.cut_off,
    "pan": frames.pan,
    "zoom": frames.zoom,
    "part": bodies.part,
    "transfer": bodies.transfer,
}


def draw(kind: str, material: Material, seed: int, index: int, size: int) -> Case:
    """Draw the case of a kind, a seed and an index, `size` pixels a side: the same everywhere.

    Raises:
        ValueError: the cut-outs do not fit.
    """
    # By its name, not its place in the registry: a new kind leaves the others' cases as they are.
    chance = Chance(seed, index, zlib.crc32(kind.encode()))
    scene, names = KINDS[kind](chance, material, size)
    shown = " and ".join(f"a {name.replace('_', ' ')}" for name in names)
    prompt = f"a photo of {shown}" if shown else ""
    return Case(
        f"{kind}_{index:03d}", scene.source, scene.flow, None, scene.answer, prompt, scene.order
    )
