"""The networks of diffusers and torchvision, each alone."""

from collections.abc import Callable, Mapping
from typing import Any

from experiments import pytorch_networks, pytorch_setup
from experiments.benchmarks.timing import seconds
from experiments.comparison import FACTOR, SIZES, Job
from experiments.subprocesses import turn
from mg_jax.models.stable_diffusion.config import TINY, V1

PACKAGES = ("torch", "torchvision", "diffusers")


def measure(job: Job, name: str, repetitions: int) -> Mapping[str, tuple[float, ...]]:
    """Time one network, "unet", "decoder", "features" or "flow", forward and with its gradient.

    For good: the process should end after it. Nothing is recomputed; "flow" is from a picture whose
    features are there.

    Raises:
        ValueError: a package is missing, or RAFT's weights are not those of a large one.
    """
    torch, device = pytorch_setup.prepare(job, PACKAGES)
    torch.set_default_device(device)
    function, shape = _part(job, name, device)
    dtype = getattr(torch, job.precision)
    x = torch.randn(shape).to(dtype, memory_format=torch.channels_last)

    def forward() -> None:
        with torch.no_grad():
            function(x)
        _wait(torch)

    def gradient() -> None:
        leaf = x.detach().requires_grad_()
        torch.autograd.grad(function(leaf).sum(), leaf)
        _wait(torch)

    with turn():
        return {
            "forward": seconds(forward, repetitions),
            "forward and gradient": seconds(gradient, repetitions),
        }


def _part(job: Job, name: str, device: Any) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
    """The function, and the shape of what its gradient is taken to."""
    import torch

    networks = pytorch_networks.build(job._replace(remat="nothing"), device)
    grid = job.size // FACTOR
    dtype = getattr(torch, job.precision)
    pictures = (job.batch, 3, job.size, job.size)
    match name:
        case "unet":
            shape = (2 * job.batch, TINY.text.length, SIZES[job.network_size].context)
            words, time = torch.ones(shape, dtype=dtype), torch.tensor(501.0)
            return (
                lambda z: networks.unet(z, time, words, return_dict=False)[0],
                (2 * job.batch, V1.vae.latent, grid, grid),
            )
        case "decoder":
            return (
                lambda z: networks.vae.decode(z, return_dict=False)[0],
                (job.batch, V1.vae.latent, grid, grid),
            )
        case "features":
            return lambda x: _features(networks.raft, x), pictures
        case _:
            # Pictures and flows are float32, as sampling's are.
            flow_to = pytorch_networks.flow_from(
                networks.raft, torch.zeros((1, *pictures[1:])), job.batch
            )
            return lambda x: flow_to(x.float()), pictures


def _features(raft: Any, x: Any) -> Any:
    """Of both encoders, their sum so that one gradient goes through both."""
    return raft.feature_encoder(x).sum() + raft.context_encoder(x).sum()


def _wait(torch: Any) -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
