"""A patch edit from photo and flow to full size: guided sampling on a coarse grid, then copying.

Sampling starts from pure noise. In the first sixteenth of the levels, where the estimate is the
mean of all patches, only the colour loss along the target flow guides it; then the paper's energy,
by a flow network whose updates start at the target flow; the last levels have no guidance. The
result is matched with patches of the photo, on the coarse grid and on one twice as fine, and the
full-size picture is copied from the photo by these matches.
"""

import functools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt8

from flows.interfaces import FlowNetwork
from mg_jax import compilation, energies, guiding, images, kernel, noise, sample, schedule
from mg_jax.interfaces import ModelResult
from mg_jax.kernel import Kernel
from mg_jax.models.patch import matching, patch_sources
from mg_jax.models.patch.copying import copy, origins
from mg_jax.models.patch.denoiser import denoise
from mg_jax.models.patch.enlarging import enlarged, work_photo, work_region
from mg_jax.models.patch.motion import LayeredMotion
from mg_jax.models.patch.patch_sources import View
from mg_jax.models.patch.settings import PatchSettings, Stage, fine, stages
from mg_jax.models.patch.stage import Prepared, grid_shape, magnifier, magnify, prepare
from mg_jax.sample import Phase, Phases
from mg_jax.types import Energy, Image, Info, Latent, Problem, State

_SNAPS = 6
REACH = (2, 3)  # radius, in cells, of the patches that vote in the coarse and the fine stage


class _Segment(NamedTuple):
    """Levels that one compiled program runs."""

    energy: Energy
    recursions: int
    levels: range


def edit(
    photo: UInt8[np.ndarray, "H W 3"],
    motion: LayeredMotion,
    region: Bool[np.ndarray, "H W"],
    network: FlowNetwork,
    keys: Key[Array, " b"],
    settings: PatchSettings,
    ramp: Float[np.ndarray, " levels"],
    energy: Energy | None = None,
) -> Phases[ModelResult]:
    """Edit the photo inside `region`; returns one picture per key.

    `motion` may have a smaller size than the photo, at which all is computed but the last copy.
    `ramp` has a value for each level. `energy`, if any, replaces ours at all guided levels.
    """
    coarse, *finer = stages(settings)
    shape = motion.moving.shape
    work, inside = work_photo(photo, shape), work_region(region, shape)
    pictures = seen(work, motion, settings)

    def ready(stage: Stage, params: Any, features: Callable[..., Any]) -> Prepared:
        return prepare(
            stage,
            settings,
            images.to_float(work),
            motion,
            inside,
            pictures,
            ramp[: stage.levels],
            params,
            features,
        )

    def sampled() -> tuple[Prepared, Problem]:
        prepared = ready(coarse, network.params, guiding.features(network))
        return prepared, guiding.repeated(prepared.problem, keys.shape[0])

    # While the device samples, a thread prepares the fine grid and compiles programs.
    with compilation.background_thread() as helper:
        coming = helper.submit(sampled)
        segments = _segments(coarse, settings, network, energy)
        programs = _compiled(helper, coming, segments, settings, keys)
        fine = [helper.submit(ready, stage, (), lambda _params, _image: ()) for stage in finer]
        prepared, problem = coming.result()

        def step(level: int, state: State) -> tuple[State, Info]:
            row = schedule.rows(prepared.schedule, level, level + 1)
            return programs[level].result()(keys, state, row, problem)

        state = yield Phase(
            "sampling",
            range(coarse.levels),
            kernel.init(noise.start(keys, (keys.shape[0], *problem.edit.source.shape[1:]))),
            step,
            sample.estimate(images.to_uint8),
        )
        image, matches = snapped(prepared, state.z, REACH[0])
        for grid in fine:
            image, matches = snapped(grid.result(), larger(grid.result(), image), REACH[1])
    views = [work, *(images.to_uint8(view.picture) for view in pictures[1:])]
    places = [view.origin for view in pictures]
    made = []
    for one in np.asarray(matches):
        copied = copy(work, views, inside, one)
        made.append(enlarged(photo, region, copied, origins(places, inside, one)))
    return ModelResult(np.stack(made), region, np.asarray(state.z))


def seen(
    photo: UInt8[np.ndarray, "H W 3"], motion: LayeredMotion, settings: PatchSettings
) -> tuple[View, ...]:
    """The views that patches are taken from; the first is the photo, the last the moved photo."""
    shape = grid_shape(fine(settings), *photo.shape[:2])
    return patch_sources.views(images.to_float(photo), motion, shape)


def noised(ready: Prepared, image: Image, keys: Key[Array, " b"]) -> Latent:
    """Noise a picture to the stage's first level, after enlarging it to the stage's grid."""
    alpha = ready.schedule.alpha[0]
    image = larger(ready, image)
    return jnp.sqrt(alpha) * image + jnp.sqrt(1 - alpha) * noise.start(keys, image.shape)


def larger(ready: Prepared, image: Float[Array, "b h w 3"]) -> Float[Array, "b H W 3"]:
    """Enlarge a picture to a stage's grid, by a whole number along each side."""
    sides = zip(image.shape[1:3], ready.problem.edit.source.shape[1:3], strict=True)
    down, across = (magnifier(small, large // small) for small, large in sides)
    return magnify((down, across), image)


def _segments(
    stage: Stage, settings: PatchSettings, network: FlowNetwork, energy: Energy | None
) -> list[_Segment]:
    guided = stage.levels - stage.free
    first = energy or energies.color_oracle
    then = energy or guiding.energy_from_target(network, settings.oracle_flow)
    return [
        _Segment(first, stage.recursions, range(stage.blurred)),
        _Segment(then, stage.recursions, range(stage.blurred, guided)),
        _Segment(energies.nothing, 1, range(guided, stage.levels)),
    ]


def _compiled(
    helper: Executor,
    coming: Future[tuple[Prepared, Problem]],
    segments: list[_Segment],
    settings: PatchSettings,
    keys: Key[Array, " b"],
) -> list[Future[Callable[..., tuple[State, Info]]]]:
    """Start to compile each level's program in the background, for a stage being prepared."""

    def compiled(segment: _Segment) -> Callable[..., tuple[State, Info]]:
        prepared, problem = coming.result()
        program = _program(
            segment.energy,
            segment.recursions,
            settings.gradient_every,
            settings.gradient_through,
        )
        state = kernel.init(jnp.zeros_like(problem.edit.source))
        row = schedule.rows(prepared.schedule, 0, 1)
        compilation.compile_for(program, keys, state, row, problem)
        return program

    programs = []
    for segment in segments:
        if segment.levels:
            programs += [helper.submit(compiled, segment)] * len(segment.levels)
    return programs


# Cached, since JAX compiles anew for every new function object.


@functools.cache
def _program(
    energy: Energy, recursions: int, gradient_every: int, gradient_through: str
) -> Callable[..., tuple[State, Info]]:
    patch: Kernel = kernel.build(
        kernel.without_gradient(denoise) if gradient_through == "estimate" else denoise,
        magnify,
        energy,
        kernel.noised_source,
        noise.gaussian,
        recursions,
        gradient_every=gradient_every,
    )
    return jax.jit(functools.partial(sample.scan, patch))


@functools.partial(jax.jit, static_argnames="reach")
def snapped(
    ready: Prepared, z: Latent, reach: int
) -> tuple[Float[Array, "b h w 3"], Int[Array, "b h w 3"]]:
    """Finish a stage: return the picture made of coherent patches, and the matches that made it."""
    z = jnp.where(ready.problem.edit.keep, ready.problem.edit.source, z)
    params = ready.problem.params.denoiser

    def of_sample(z: Float[Array, "h w 3"]) -> tuple[Array, Array]:
        image, matches = matching.snap(
            params,
            ready.pictures,
            ready.places,
            ready.home,
            z,
            ready.matching,
            iterations=_SNAPS,
            reach=reach,
        )
        return image, matches

    pictures: tuple[Array, Array] = jax.lax.map(of_sample, z)
    return pictures
