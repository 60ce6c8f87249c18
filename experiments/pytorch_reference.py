"""The PyTorch reference's own sampler, losses, RAFT and networks, run from a user's clone.

Nothing in the clone is changed. In this process, which should end after it:

- Modules that its files name and sampling does not use stand in as empty ones: pytorch_lightning
  (its LightningModule is torch's Module with a `device`), omegaconf, taming, torchvision.
- `DDIMSamplerWithGrad.register_buffer` asks for CUDA whether it is there or not: a subclass keeps
  the tensor on the device at hand.
- `FlowLoss` loads raft-things.pth from inside the clone: while it is made, `torch.load` gives the
  weights that both sides use, under their names there.
- `noise_like`, as the sampler imported it, replays the recorded noise.
- The text encoder, which would be downloaded, is an identity: embeddings are given.
- What it prints goes to standard error, and no bytecode is written beside its files.
- RAFT's mixed precision is switched off, here and on our side; for the rest of PyTorch's settings
  see `pytorch_setup.prepare`. In float64 its schedule then has the digits that ours has.
- RAFT's weights are rounded to float32, as published, in either precision.
"""

import argparse
import importlib
import sys
import time
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from experiments import pytorch_setup
from experiments.comparison import SIZES, Data, Job, Run, Sizes, data, drawn, resident
from experiments.subprocesses import turn

_SAMPLER = "ldm.models.diffusion.ddim_with_grad"
NEEDED = (
    "losses.py",
    "flow_utils.py",
    "flow_models/raft/raft.py",
    "ldm/models/diffusion/ddpm.py",
    f"{_SAMPLER.replace('.', '/')}.py",
)
_TRAIN_LEVELS = 1000


def check(clone: Path, levels: int) -> None:
    """Raise ValueError when the clone is none, or the reference makes another number of levels."""
    for name in NEEDED:
        if not (clone / name).is_file():
            raise ValueError(
                f"{clone}: has no {name}; expected a clone of github.com/dangeng/motion_guidance"
            )
    if levels < 1 or _TRAIN_LEVELS % levels:
        raise ValueError(f"--steps: {levels}; expected a divisor of {_TRAIN_LEVELS}")


def run(clone: Path, job: Job) -> Run:
    """Sample with the reference's code.

    Raises:
        ValueError: more samples than 1, or another precision, than its code can do; PyTorch or
            einops, which it uses, is missing.
    """
    if job.batch != 1:
        raise ValueError(f"batch: {job.batch}; expected 1, all that the reference can")
    if job.precision == "bfloat16":
        raise ValueError("precision: bfloat16; expected float32 or float64, as the reference")
    torch, device = pytorch_setup.prepare(job, ("torch", "einops"))
    sys.stdout = sys.stderr
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(clone.absolute()))
    sys.modules.update(_absent(torch))
    inputs = data(job)
    before = resident()
    model = _model(torch, SIZES[job.network_size]).to(device).eval()
    energy = _energy(torch, job, inputs).to(device)
    sampler = _sampler(torch, model, device)

    def tensor(array: np.ndarray) -> Any:
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, -3))).to(device)

    recorded = tensor(inputs.noise)[:, (1 if job.stored else 0) :].flatten(0, 1)
    noises: Iterator[Any] = iter(recorded)
    torch.set_grad_enabled(False)
    visited: list[np.ndarray] = []
    begun_at: list[float] = []  # the sampler waits for the device in between

    def apply_model(latents: Any, *conditions: Any) -> Any:
        begun_at.append(time.perf_counter())
        visited.append(latents[0].detach().cpu().numpy())
        return network(latents, *conditions)

    network, model.apply_model = model.apply_model, apply_model
    module = importlib.import_module(_SAMPLER)
    with turn(), mock.patch.object(module, "noise_like", side_effect=noises):
        final, _, info = sampler.sample(
            batch_size=1,
            shape=tuple(recorded.shape[2:]),
            num_ddim_steps=job.levels,
            src_img=model.decode_first_stage(tensor(inputs.source)),
            cond_embed=torch.from_numpy(inputs.conditional).to(device),
            uncond_embed=torch.from_numpy(inputs.unconditional).to(device),
            CFG_scale=job.cfg_scale,
            start_zt=tensor(inputs.start),
            cached_latents=tensor(inputs.trajectory) if job.stored else None,
            edit_mask=tensor(inputs.keep).expand(1, recorded.shape[2], -1, -1),
            num_recursive_steps=job.recursions,
            clip_grad=job.clip,
            guidance_weight=job.guidance_weight,
            guidance_schedule=inputs.ramp.tolist(),
            guidance_energy=energy,
        )
        begun_at.append(time.perf_counter())
    if next(noises, None) is not None:
        raise RuntimeError("the reference drew less noise than was recorded")
    memory = torch.cuda.max_memory_allocated() if device.type == "cuda" else resident() - before
    last = final.cpu().numpy()
    begun = np.stack(visited[:: job.recursions])[:, None]
    return Run(
        final=np.moveaxis(last, 1, -1),
        begun=np.moveaxis(begun, 2, -1),
        reached=np.moveaxis(np.concatenate([begun[1:], last[None]]), 2, -1),
        energy=np.asarray(info["losses"], np.float64),
        push=np.asarray(info["guidance_norms"], np.float64),
        seconds=np.diff(begun_at)[job.recursions :],
        memory=memory,
        device=torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        program=f"the reference's code, torch {torch.__version__}",
    )


def _absent(torch: Any) -> Mapping[str, types.ModuleType]:
    class LightningModule(torch.nn.Module):  # type: ignore[misc]
        @property
        def device(self) -> Any:
            return next(self.parameters()).device

    contents: dict[str, dict[str, Any]] = {
        "pytorch_lightning": {"LightningModule": LightningModule},
        "pytorch_lightning.utilities": {},
        "pytorch_lightning.utilities.distributed": {"rank_zero_only": lambda function: function},
        "omegaconf": {},
        "omegaconf.listconfig": {"ListConfig": list},
        "taming": {},
        "taming.modules": {},
        "taming.modules.vqvae": {},
        "taming.modules.vqvae.quantize": {"VectorQuantizer2": None},
        "torchvision": {"transforms": None, "utils": None},
        "torchvision.utils": {"save_image": None, "make_grid": None},
    }
    modules = {name: types.ModuleType(name) for name in contents}
    for name, content in contents.items():
        vars(modules[name]).update(content)
    return modules


def _model(torch: Any, sizes: Sizes) -> Any:
    """Their LatentDiffusion, with drawn weights."""
    unet = {
        "image_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": sizes.unet[0],
        "attention_resolutions": [1 << i for i, has in enumerate(sizes.attention) if has],
        "num_res_blocks": sizes.layers,
        "channel_mult": [width // sizes.unet[0] for width in sizes.unet],
        "num_heads": sizes.heads,
        "use_spatial_transformer": True,
        "transformer_depth": 1,
        "context_dim": sizes.context,
        "use_checkpoint": True,
        "legacy": False,
    }
    autoencoder = {
        "double_z": True,
        "z_channels": 4,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": sizes.vae[0],
        "ch_mult": [width // sizes.vae[0] for width in sizes.vae],
        "num_res_blocks": sizes.layers,
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    diffusion = importlib.import_module("ldm.models.diffusion.ddpm")
    model = diffusion.LatentDiffusion(
        first_stage_config={
            "target": "ldm.models.autoencoder.AutoencoderKL",
            "params": {
                "embed_dim": 4,
                "ddconfig": autoencoder,
                "lossconfig": {"target": "torch.nn.Identity"},
            },
        },
        cond_stage_config={"target": "torch.nn.Identity"},
        unet_config={
            "target": "ldm.modules.diffusionmodules.openaimodel.UNetModel",
            "params": unet,
        },
        conditioning_key="crossattn",
        scale_factor=0.18215,
        linear_start=0.00085,
        linear_end=0.0120,
        timesteps=_TRAIN_LEVELS,
        use_ema=False,
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(drawn(name, tuple(parameter.shape))))
    return model


def _energy(torch: Any, job: Job, inputs: Data) -> Any:
    """Their FlowLoss, with the weights of RAFT that both sides use."""
    flow_network = importlib.import_module("flow_models.raft.raft")
    options = argparse.Namespace(small=False, dropout=0, alternate_corr=False)
    weights = pytorch_setup.flow_weights(job.flow_model, flow_network.RAFT(options).state_dict())
    state = {f"module.{name}": value for name, value in weights.items()}
    with mock.patch.object(torch, "load", return_value=state):
        losses = importlib.import_module("losses")
        energy = losses.FlowLoss(
            job.color_weight,
            job.flow_weight,
            target_flow=torch.from_numpy(inputs.flow.transpose(2, 0, 1)[None].copy()),
            occlusion_masking=True,
        )
    energy.flow_net.flowNet.args.mixed_precision = False
    return energy


def _sampler(torch: Any, model: Any, device: Any) -> Any:
    base: Any = importlib.import_module(_SAMPLER).DDIMSamplerWithGrad

    class Sampler(base):  # type: ignore[misc]
        def register_buffer(self, name: str, attr: Any) -> None:
            setattr(self, name, attr.to(device) if torch.is_tensor(attr) else attr)

    return Sampler(types.SimpleNamespace(module=model))
