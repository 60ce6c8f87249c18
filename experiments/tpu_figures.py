r"""What the TPU's compiler says of a guided step, without a TPU.

    pip install libtpu
    python -m experiments.tpu_figures
    python -m experiments.tpu_figures --part=step

Compiles a part with its gradient ahead of time for one chip of --topology, and prints what moves
through memory, operations, what the program holds, and the processor's seconds for compiling. The
parts are Stable Diffusion's networks at full size in bfloat16, the UNet's batch being 2. Nothing is
run, and no weights are needed. The energy takes 3 minutes of a processor, the whole step took 25.
"""

import os
import time
from typing import Any

import jax
from absl import flags
from jax.experimental import topologies

from experiments import command
from experiments.benchmarks import tpu_parts
from experiments.comparison import SIZES, Job
from mg_jax import compilation

_part = flags.DEFINE_enum("part", "energy", tpu_parts.PARTS, "What is compiled.")
_size = flags.DEFINE_integer("size", 512, "Side of the picture, a multiple of 64.", lower_bound=128)
_network_size = flags.DEFINE_enum("network_size", "full", list(SIZES), "UNet and autoencoder.")
_flow_model = flags.DEFINE_string("flow_model", "raft-small", "Flow network.")
_topology = flags.DEFINE_string("topology", "v5e:2x2", "Kind and shape of a TPU slice.")

# Libtpu asks the cloud's metadata for these, and waits for minutes where there is none.
_ENVIRONMENT = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}


def main() -> None:
    """Compile, print a line."""
    if _size.value % 64:
        raise ValueError(f"--size: {_size.value}; expected a multiple of 64")
    jax.config.update("jax_platforms", "cpu")  # type: ignore[no-untyped-call]
    chip = jax.sharding.SingleDeviceSharding(_chip(_topology.value))
    job = Job(_network_size.value, _size.value, 8, 1, stored=True, flow_model=_flow_model.value)
    function, arguments = tpu_parts.part(_part.value, job.multiplying("bfloat16"))
    placed = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=chip),  # type: ignore[no-untyped-call]
        arguments,
    )
    lowered = jax.jit(function).trace(*placed).lower(lowering_platforms=("tpu",))
    begin = time.process_time()
    program = lowered.compile()
    seconds = time.process_time() - begin
    costs, sizes = program.cost_analysis(), program.memory_analysis()
    print(
        f"{_part.value}, {_size.value} px, bfloat16, {_topology.value}:"
        f" {costs['bytes accessed'] / 1e9:.1f} GB moved, {costs['flops'] / 1e12:.2f} TFLOP,"
        f" {sizes.argument_size_in_bytes / 2**30:.2f} GiB arguments,"
        f" {sizes.temp_size_in_bytes / 2**30:.2f} GiB temporaries,"
        f" {seconds:.0f} s of a processor to compile,"
        f" {compilation.peak_memory() / 2**30:.1f} GiB held meanwhile"
    )


def _chip(topology: str) -> Any:
    """The first chip of a slice that is not here."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        return topologies.get_topology_desc(topology, platform="tpu").devices[0]
    except RuntimeError as error:
        said = str(error).partition("\n")[0]
        raise ValueError(
            f"--topology: {topology}: {said}; expected a slice as v5e:2x2, and libtpu installed"
        ) from error


if __name__ == "__main__":
    command.run(main)
