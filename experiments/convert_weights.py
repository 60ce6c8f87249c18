r"""Convert Stable Diffusion 1.x or 2.x to a folder that loads as it is, without torch.

    python -m experiments.convert_weights --checkpoint=v1-5-pruned-emaonly.safetensors \
        --converted=out/sd15
    python -m experiments.convert_weights --checkpoint=CompVis/stable-diffusion-v1-4 \
        --converted=out/sd14 --keep_dtype=bfloat16

--checkpoint is a folder in the layout of diffusers, a single file, .safetensors or .ckpt, or a hub
id. The folder holds the parameters as Orbax keeps them, config.json (with the SHA-256 of the files
they are from) and the tokenizer's files; it appears whole or not at all. A single file does not say
what its UNet predicts: its metadata, the YAML beside it or its weights do, or --prediction.
A full 1.x takes half a minute on two cores, and 5.3 GB of memory as float32; it prints what it
found, kept and left out.
"""

import time
from pathlib import Path

import jax
from absl import flags

from experiments import command, loading_flags, reading
from mg_jax import compilation
from mg_jax.models.stable_diffusion import converted, loading

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Folder, file or hub id to convert.")
_CONVERTED = flags.DEFINE_string("converted", None, "New folder to write.")
_KEEP_DTYPE = flags.DEFINE_enum(
    "keep_dtype", "float32", ["float32", "bfloat16", "float16"], "What parameters are kept as."
)
flags.adopt_module_key_flags(loading_flags)


def main() -> None:
    """Find, read, write, tell."""
    start = time.perf_counter()
    checkpoint, new = command.needed(_CHECKPOINT), Path(command.needed(_CONVERTED))
    options = loading_flags.options()
    converted.check_new(new)
    with reading.named({}):
        place = loading.find(checkpoint, _KEEP_DTYPE.value, options)
        if converted.is_one(place):
            raise ValueError(f"{place}: is converted already; expected a published checkpoint")
        described = loading.inspect(place, _KEEP_DTYPE.value, options)
        first, *_ = described.origin.lines()
        for line in (first, *described.notes):
            print(f"{place}: {line}")
        model = loading.take(described, dtype=_KEEP_DTYPE.value)
    for network, params in model.weights._asdict().items():
        leaves = jax.tree.leaves(params)
        print(f"{network}: {len(leaves)} arrays, {sum(leaf.size for leaf in leaves):,} parameters")
    for sort, count in described.unused.items():
        print(f"left out: {sort} ({count})")
    converted.write(new, described, model.weights)
    size = sum(file.stat().st_size for file in new.rglob("*") if file.is_file())
    print(
        f"{new}: kept as {_KEEP_DTYPE.value}, {size / 1e9:.2f} GB,"
        f" {time.perf_counter() - start:.0f} s,"
        f" peak memory {compilation.peak_memory() / 1e9:.1f} GB"
    )


if __name__ == "__main__":
    command.run(main)
