"""Edits on several devices, or by several processes, that write what they make to a folder.

python -m tests.mg_jax.edits_on_devices batch FOLDER DEVICES [HOST:PORT PROCESS]
"""

import sys
from pathlib import Path

import numpy as np

import mg_jax
from mg_jax import devices, energies, hosts

from .models.stable_diffusion import test_guided
from .test_api import flow, photo

EDITS = 4
SETTINGS = {"size": 128, "steps": 2, "recursions": 2, "source": "noised"}
PATCH = mg_jax.PatchSettings(size=256, steps=4, recursions=1, guidance_weight=0.0, clip=1.0)


def color_alone(params, target, image, level):
    return energies.color_oracle(params, target, image, level)


def edits():
    """Edits unlike each other: photo, flow, mask, prompt, seed and strength."""
    field, region = test_guided.motion()
    return [
        {
            "image": np.roll(test_guided.photo(), i, axis=2),
            "flow": field * (1 + i / 4),
            "keep_mask": ~region if i % 2 else None,
            "prompt": "a cup" * (i + 1),
            "seed": 5 * i,
            "settings": mg_jax.StableDiffusionSettings(**SETTINGS, guidance_weight=0.1 * i),
        }
        for i in range(EDITS)
    ]


def batch(wanted):
    """The edits by Stable Diffusion with tiny networks."""
    own = devices.share(EDITS)
    found = mg_jax.edit_batch(
        edits(), test_guided.model(), energy=color_alone, devices=wanted, progress=False
    )
    return zip(own, found, strict=True)


def samples(wanted):
    """Samples of the patch model."""
    result = mg_jax.edit(
        photo(), flow(), settings=PATCH, samples=EDITS, devices=wanted, progress=False
    )
    yield result.seed, result


if __name__ == "__main__":
    what, folder, wanted, *process = sys.argv[1:]
    if process:
        hosts.initialize(process[0], 2, int(process[1]))
    for number, result in {"batch": batch, "samples": samples}[what](int(wanted)):
        result.save(Path(folder) / str(number))
