"""What both programs in PyTorch, the reference's and ours, set up alike."""

import os
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np

from experiments.comparison import Job
from flows import raft
from flows.raft import convert, layouts
from flows.raft.config import LARGE


def prepare(job: Job, packages: tuple[str, ...]) -> tuple[Any, Any]:
    """PyTorch, and the device at hand. For good: the process should end after the job.

    - JAX, which reads RAFT's weights, leaves the accelerator alone.
    - TensorFloat-32 is off, as on our side, or as PyTorch has it by default: in convolutions only.
    - PyTorch gets a thread for each core, as XLA has, unless $OMP_NUM_THREADS says how many.
    - For a job in float64, `torch.float32` names float64, `Tensor.float` is `Tensor.double`, and
      the default dtype is float64, so that casts to float32 in others' code are none.

    Raises:
        ValueError: one of `packages` is missing.
    """
    for name in packages:
        if find_spec(name) is None:
            wanted = " ".join(packages)
            raise ValueError(f"{name}: is not installed; expected it, as by pip install {wanted}")
    import torch

    jax.config.update("jax_platforms", "cpu")  # type: ignore[no-untyped-call]
    jax.config.update("jax_enable_x64", job.precision == "float64")  # type: ignore[no-untyped-call]
    warnings.simplefilter("ignore")
    if not job.tensorfloat:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(os.cpu_count() or 1)
    if job.precision == "float64":
        torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double
        torch.set_default_dtype(torch.float64)
    return torch, torch.device("cuda" if torch.cuda.is_available() else "cpu")


def flow_weights(name: str, empty: Mapping[str, Any]) -> dict[str, Any]:
    """Weights of a large RAFT as float32, under the names of `empty`, a state dict in PyTorch.

    `empty` is princeton-vl's or torchvision's; what holds no weights stays as it is there.

    Raises:
        ValueError: unknown or unreadable weights, or those of a small RAFT.
    """
    import torch

    network = raft.load(name)
    if network.config != LARGE:
        raise ValueError(f"--flow_model={name}: a small RAFT; expected a large one, as theirs is")
    ours = convert.to_arrays(network.params)
    modules = layouts.module_table(empty, LARGE) or {}
    state = {}
    for key, value in empty.items():
        path = convert.destination(key, modules)
        if path:
            array = ours[path]
            value = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
            value = torch.from_numpy(np.array(value, order="C"))
        state[key] = value
    return state
