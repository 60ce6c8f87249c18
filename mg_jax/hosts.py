"""Several processes, on one or more hosts, that work on one batch (see docs/tpu_pod.md)."""

import jax
from jax.experimental import multihost_utils

_END_APART = 7 * 24 * 3600  # seconds by which one process may end before another


def initialize(
    coordinator: str | None = None, processes: int | None = None, number: int | None = None
) -> None:
    """Join the other processes; to be called before anything else that uses devices.

    On TPU pods, under Slurm and Open MPI, JAX finds out the arguments itself.

    Args:
        coordinator: HOST:PORT at which process 0 listens to the others.
        processes: how many there are.
        number: which this one is, from 0.

    Raises:
        ValueError: the others cannot be found or reached.
    """
    try:
        jax.distributed.initialize(
            coordinator, processes, number, shutdown_timeout_seconds=_END_APART
        )
        # Where one process is much later than another, CPU's first transfer between them gives up.
        multihost_utils.sync_global_devices("mg_jax.hosts.initialize")
    except (RuntimeError, ValueError) as error:
        said = str(error).partition("\n")[0]
        raise ValueError(
            f"distributed: {said}; expected a TPU pod, Slurm or Open MPI, or an address of process"
            " 0, a number of processes, and which this is"
        ) from error
