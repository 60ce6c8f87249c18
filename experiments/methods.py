"""Methods that `experiments.evaluate` compares, by name: a new one is a function and a line here.

ours       patch (as `mg_jax.edit` with nothing set), stable_diffusion
baselines  nothing, layered_warp (`mg_jax.preview`), forward_warp, forward_warp_fill, sdedit,
           repaint, pixels: `mg_jax.baselines`
ablations  no_guidance, no_flow_loss, no_color_loss, no_occlusion_mask, no_recursion,
           no_fine_stage, no_edit_mask: patch with one ingredient less
variants   shared_gradients (two recursions share one), denoiser_gradients (they go through the
           denoiser, as the paper's do): patch with other ones
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Key, UInt8

import mg_jax
from experiments import writing
from flows import warping
from flows.interfaces import FlowNetwork
from mg_jax import api, networks, noise, sample
from mg_jax.baselines import pixels, repaint, sdedit
from mg_jax.cases import Case
from mg_jax.filling import fill
from mg_jax.models import registry
from mg_jax.models.patch import coarse_to_fine
from mg_jax.models.patch.motion import layered
from mg_jax.models.stable_diffusion.model import GuidedStableDiffusion
from mg_jax.models.stable_diffusion.options import AS_STORED, LoadingOptions
from mg_jax.settings import Settings

Picture = UInt8[np.ndarray, "h w 3"]

COMPARED = (
    "patch",
    "nothing",
    "layered_warp",
    "forward_warp",
    "forward_warp_fill",
    "sdedit",
    "repaint",
    "pixels",
)
ABLATIONS = (
    "no_guidance",
    "no_flow_loss",
    "no_color_loss",
    "no_occlusion_mask",
    "no_recursion",
    "no_fine_stage",
    "no_edit_mask",
)
VARIANTS = ("shared_gradients", "denoiser_gradients")
PLAIN = ("nothing", "layered_warp", "forward_warp", "forward_warp_fill")  # read no settings
STABLE_DIFFUSION = "stable_diffusion"


class Method(NamedTuple):
    """A way to edit a case, and all that its picture depends on besides the case and the seed."""

    edit: Callable[[Case, int], Picture]
    settings: dict[str, Any]


def known(settings: mg_jax.PatchSettings) -> dict[str, Method]:
    """Every method that needs no weights but those that ship."""
    without = functools.partial(dataclasses.replace, settings)
    return {
        "patch": _guided(registry.PATCH, settings),
        "nothing": Method(_nothing, {"method": "nothing"}),
        "layered_warp": Method(_layered_warp, {"method": "layered_warp"}),
        "forward_warp": Method(_forward_warp, {"method": "forward_warp"}),
        "forward_warp_fill": Method(_forward_warp_fill, {"method": "forward_warp_fill"}),
        "sdedit": _with(settings, _sdedit),
        "repaint": _with(settings, _repaint),
        "pixels": _with(settings, _pixels),
        "no_flow_loss": _guided(registry.PATCH, without(flow_weight=0.0)),
        "no_color_loss": _guided(registry.PATCH, without(color_weight=0.0)),
        "no_occlusion_mask": _guided(registry.PATCH, without(occlusion_masking=False)),
        "no_edit_mask": _with(settings, _no_edit_mask),
        "no_recursion": _guided(registry.PATCH, without(recursions=1)),
        "no_fine_stage": _guided(registry.PATCH, without(stages=1)),
        "no_guidance": _guided(registry.PATCH, without(guidance_weight=0.0)),
        "shared_gradients": _guided(registry.PATCH, without(gradient_every=2)),
        "denoiser_gradients": _guided(registry.PATCH, without(gradient_through="denoiser")),
    }


def chosen(names: list[str], known: dict[str, Method]) -> dict[str, Method]:
    """The methods of these names, in their order, each once.

    Raises:
        ValueError: another name, or none.
    """
    if not names:
        raise ValueError(f"--methods: none given; expected some of {', '.join(known)}")
    for name in names:
        if name.startswith(STABLE_DIFFUSION) and name not in known:
            raise ValueError(f"--methods: {name} without --model; expected its weights")
        if name not in known:
            raise ValueError(f"--methods: {name!r} unknown; expected of {', '.join(known)}")
    return {name: known[name] for name in names}


def stable_diffusion(
    model: str | GuidedStableDiffusion,
    settings: mg_jax.StableDiffusionSettings,
    options: LoadingOptions = AS_STORED,
) -> Method:
    """Guided Stable Diffusion with the case's prompt; `options` are those that it is read with.

    Other weights under the same name are taken for the same method.
    """
    method = _guided(model, settings)
    return method._replace(settings=method.settings | dataclasses.asdict(options))


def _guided(model: str | GuidedStableDiffusion, settings: Settings) -> Method:
    accepts = registry.find(model).accepts
    name = model if isinstance(model, str) else model.name

    def edit(case: Case, seed: int) -> Picture:
        prompt = case.prompt if "prompt" in accepts else ""
        order = case.order if "order" in accepts else None
        request = api.request(
            case.source, case.flow, prompt, model, seed, order=order, settings=settings
        )
        return api.run(request, progress=False).image

    return Method(edit, {"method": "edit", "model": name, **writing.described(settings)})


def _with(
    settings: mg_jax.PatchSettings,
    of: Callable[[Case, int, mg_jax.PatchSettings], Picture],
) -> Method:
    def edit(case: Case, seed: int) -> Picture:
        return of(case, seed, settings)

    return Method(edit, {"method": of.__name__, **writing.described(settings)})


def _nothing(case: Case, _seed: int) -> Picture:
    return case.source


def _layered_warp(case: Case, _seed: int) -> Picture:
    return mg_jax.preview(case.source, case.flow, case.order)


def _forward_warp(case: Case, _seed: int) -> Picture:
    return warping.forward(case.source, case.motion).picture


def _forward_warp_fill(case: Case, _seed: int) -> Picture:
    return fill(*warping.forward(case.source, case.motion))


def _sdedit(case: Case, seed: int, settings: mg_jax.PatchSettings) -> Picture:
    return sdedit.sdedit(case.source, case.flow, case.motion.region, _key(seed), settings)


def _repaint(case: Case, seed: int, settings: mg_jax.PatchSettings) -> Picture:
    return repaint.repaint(case.source, case.flow, _key(seed), settings)


def _pixels(case: Case, _seed: int, settings: mg_jax.PatchSettings) -> Picture:
    picture, _ = pixels.descend(case.source, case.flow, case.motion.region, _guide(), settings)
    return picture


def _no_edit_mask(case: Case, seed: int, settings: mg_jax.PatchSettings) -> Picture:
    phases = coarse_to_fine.edit(
        case.source,
        layered(case.source, case.motion, case.order),
        np.ones(case.flow.shape[:2], bool),
        _guide(),
        noise.keys(seed, 1),
        settings,
        np.ones(settings.steps),
    )
    picture: Picture = sample.run(phases, lambda _: None).images[0]
    return picture


def _key(seed: int) -> Key[Array, ""]:
    return noise.keys(seed, 1)[0]


def _guide() -> FlowNetwork:
    return networks.flow_network("raft-small")
