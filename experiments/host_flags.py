"""The flags of a program that runs as several processes at once, one on each host."""

from absl import flags

from experiments import reading
from mg_jax import hosts

_distributed = flags.DEFINE_bool(
    "distributed", False, "Join the other processes of a TPU pod, of Slurm or Open MPI."
)
_coordinator = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, where --distributed cannot find it out."
)
_processes = flags.DEFINE_integer("processes", None, "How many there are; with --coordinator.")
_process = flags.DEFINE_integer("process", None, "Which this is, from 0; with --coordinator.")


def start() -> None:
    """Join the other processes, if the flags say so; to be called before devices are used.

    Raises:
        ValueError: flags miss one another, or the other processes cannot be reached.
    """
    of_address = (_coordinator, _processes, _process)
    for flag in of_address:
        if flag.value is not None and not _distributed.value:
            raise ValueError(f"--{flag.name}: without --distributed; expected both")
        if flag.value is None and _coordinator.value is not None:
            raise ValueError(f"--{flag.name}: none given; expected one with --coordinator")
    if _distributed.value:
        with reading.named({}):
            hosts.initialize(_coordinator.value, _processes.value, _process.value)
