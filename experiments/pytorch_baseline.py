"""The same guided run in PyTorch done well: the fair baseline, with today's libraries.

diffusers' UNet and autoencoder, whose attention is fused, and torchvision's RAFT. No gradient of a
parameter is computed; RAFT sees the source once, and only its last flow is brought to full size;
memory is channels-last; both halves of classifier-free guidance are one batch; the loop reads
nothing back; networks may be bfloat16, sampling and losses never are; torch.compile compiles the
networks if the job says so.

Tensors are `Any`, as torch need not be installed, and [b c h w].
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from experiments import pytorch_networks, pytorch_setup
from experiments.comparison import Data, Job, Run, data, resident
from experiments.pytorch_networks import Networks, flow_from
from experiments.subprocesses import turn
from flows.geometry import occlusion_mask
from mg_jax import schedule
from mg_jax.noise import Draw

Function = Callable[..., Any]


class Level(NamedTuple):
    """A row of the schedule."""

    t: Any  # a tensor, so that no program is compiled for one time alone
    alpha: float
    alpha_prev: float
    ramp: float


class Model(NamedTuple):
    """What is differentiated, in steps; all take and give sampling's precision."""

    denoise: Function  # (z, t) -> ε, guided by the prompt
    decode: Function  # latent -> image
    energy: Function  # image -> energy of each sample


def run(job: Job) -> Run:
    """Sample. The device is waited for once a level, so a level's evaluations count as alike long.

    Raises:
        ValueError: a package is missing, or RAFT's weights are not those of a large one.
    """
    torch, device = pytorch_setup.prepare(job, ("torch", "torchvision", "diffusers"))
    torch.set_default_device(device)  # torchvision's RAFT makes some tensors anew in each call
    torch.set_grad_enabled(False)
    torch.backends.cuda.matmul.allow_tf32 = job.tensorfloat  # by default in convolutions alone
    inputs = data(job)
    before = resident()
    networks = pytorch_networks.build(job, device)
    with turn():
        return _sample(job, inputs, networks, device, before)


def _sample(job: Job, inputs: Data, networks: Networks, device: Any, before: int) -> Run:
    import torch

    decode = _decode(networks)
    image = decode(_tensor(inputs.source))
    energy = _energy(job, inputs, networks, image)
    if job.compiled:  # the other networks' blocks are
        energy = torch.compile(energy)
    model = Model(_denoise(job, inputs, networks), decode, energy)
    encoded = None if job.stored else _encoded(networks, image)
    noise, keep = _tensor(inputs.noise), _tensor(inputs.keep)
    z = _tensor(inputs.start).repeat(job.batch, 1, 1, 1)
    energies, pushes, seconds, begun, reached = [], [], [], [], []
    for i, level in enumerate(_levels(job, inputs)):
        begun.append(_array(z))
        stored = _tensor(inputs.trajectory[i])
        begin = time.perf_counter()
        for draws in noise[i * job.recursions :][: job.recursions]:
            source = stored if encoded is None else _mix(encoded, draws[Draw.SOURCE], level.alpha)
            z = torch.where(keep, source, z)
            eps, measured, push = _guided(job, model, level, z)
            cleaner = _mix(_clean(z, eps, level.alpha), eps, level.alpha_prev)
            z = _mix(cleaner, draws[Draw.RENOISE], level.alpha / level.alpha_prev)
            energies.append(measured)
            pushes.append(push)
        z = cleaner
        reached.append(_array(z))  # waits
        if i > 0:
            seconds.append((time.perf_counter() - begin) / job.recursions)
    gpu = device.type == "cuda"
    return Run(
        final=reached[-1],
        begun=np.stack(begun),
        reached=np.stack(reached),
        energy=torch.cat(energies).double().cpu().numpy(),
        push=torch.cat(pushes).double().cpu().numpy(),
        seconds=np.asarray(seconds),
        memory=torch.cuda.max_memory_allocated() if gpu else resident() - before,
        device=torch.cuda.get_device_name() if gpu else "CPU",
        program=_program(job),
    )


def _levels(job: Job, inputs: Data) -> Iterator[Level]:
    import torch

    rows = schedule.ddim(job.levels, inputs.ramp)
    for t, *numbers in zip(rows.t, rows.alpha, rows.alpha_prev, rows.ramp, strict=True):
        yield Level(torch.tensor(float(t)), *map(float, numbers))


def _guided(job: Job, model: Model, level: Level, z: Any) -> tuple[Any, Any, Any]:
    """Noise and push, energy of each sample, norm of each sample's push."""
    import torch

    with torch.enable_grad():
        z = z.detach().requires_grad_()
        eps = model.denoise(z, level.t)
        energy = model.energy(model.decode(_clean(z, eps, level.alpha)))
        (slope,) = torch.autograd.grad(energy.sum(), z)
    push = job.guidance_weight * level.ramp * (1 - level.alpha) ** 0.5 * slope
    norm = torch.linalg.vector_norm(push, dim=(1, 2, 3))
    shrink = (job.clip / norm).clamp(max=1)[:, None, None, None]
    return eps.detach() + shrink * push, energy.detach(), norm.clamp(max=job.clip)


def _clean(z: Any, eps: Any, alpha: float) -> Any:
    """The clean latent that `z` and its noise imply."""
    return (z - (1 - alpha) ** 0.5 * eps) / alpha**0.5


def _mix(clean: Any, noise: Any, alpha: float) -> Any:
    """Something clean with so much noise that a share of `alpha` is clean."""
    return alpha**0.5 * clean + (1 - alpha) ** 0.5 * noise


def _denoise(job: Job, inputs: Data, networks: Networks) -> Function:
    import torch

    prompts = (torch.from_numpy(p) for p in (inputs.unconditional, inputs.conditional))
    unet = networks.unet
    context = torch.cat([p.repeat(job.batch, 1, 1) for p in prompts]).to(unet.device, unet.dtype)

    def denoise(z: Any, t: Any) -> Any:
        both = torch.cat([z, z]).to(unet.dtype)
        eps = unet(both, t, context, return_dict=False)[0].to(z.dtype)
        unconditional, conditional = eps.chunk(2)
        return unconditional + job.cfg_scale * (conditional - unconditional)

    return denoise


def _decode(networks: Networks) -> Function:
    vae = networks.vae

    def decode(latent: Any) -> Any:
        scaled = (latent / vae.config.scaling_factor).to(vae.dtype)
        return vae.decode(scaled, return_dict=False)[0].to(latent.dtype)

    return decode


def _encoded(networks: Networks, image: Any) -> Any:
    """Mean of the latents that an image may have."""
    vae = networks.vae
    mean = vae.encode(image.to(vae.dtype)).latent_dist.mean
    return mean.to(image.dtype) * vae.config.scaling_factor


def _energy(job: Job, inputs: Data, networks: Networks, source: Any) -> Function:
    """The motion energy; what it needs of the source is computed here, once."""
    import torch
    from torch.nn.functional import grid_sample

    visible = np.asarray(occlusion_mask(jnp.asarray(inputs.flow)))[None, ..., None]
    target, mask = _tensor(inputs.flow[None]), _tensor(visible.astype(inputs.flow.dtype))
    side = torch.arange(job.size, dtype=source.dtype)
    pixels = torch.stack(torch.meshgrid(side, side, indexing="xy"))
    flow_to = flow_from(networks.raft, source, job.batch)

    def mean_magnitude(error: Any) -> Any:
        return error.abs().mean(dim=(1, 2, 3))

    def energy(image: Any) -> Any:
        flow = flow_to(image)
        points = 2 * (pixels + flow) / (job.size - 1) - 1
        back = grid_sample(
            image, points.permute(0, 2, 3, 1), padding_mode="reflection", align_corners=True
        )
        moved = mean_magnitude(flow - target)
        colored = mean_magnitude(mask * (source - back)) / 2
        return job.flow_weight * moved + job.color_weight * colored

    return energy


def _program(job: Job) -> str:
    import diffusers
    import torch
    import torchvision

    versions = (
        f"{package.__name__} {package.__version__}" for package in (torch, torchvision, diffusers)
    )
    return ", ".join([*versions, "blocks and energy compiled" if job.compiled else "not compiled"])


def _tensor(values: Shaped[np.ndarray, "*batch h w c"]) -> Any:
    """On the device, seen as [*batch c h w]: so it is channels-last."""
    import torch

    return torch.from_numpy(np.moveaxis(values, -1, -3)).to(torch.get_default_device())


def _array(tensor: Any) -> Float[np.ndarray, "b h w c"]:
    values: np.ndarray = tensor.cpu().numpy()
    return np.moveaxis(values, 1, -1)
