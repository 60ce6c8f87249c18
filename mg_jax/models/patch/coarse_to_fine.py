"""A patch edit from photo and flow to full size: guided sampling on a coarse grid, then copying.

Sampling starts from pure noise. In the first level, where the estimate is the mean of all patches,
colours alone guide it, along the target flow; then the paper's energy, by a flow network that starts
at the target flow; the last levels run free. What came out
is matched with the photo's patches, on the coarse grid and on one twice as fine, and the full-size
picture is copied from the photo by these matches.
"""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, UInt8

from flows.raft import Raft
from mg_jax import energies, guiding, images, kernel, noise, parallel, sampling, schedule, tracing
from mg_jax.kernel import Kernel
from mg_jax.models.patch import matching, views
from mg_jax.models.patch.copying import copy
from mg_jax.models.patch.denoiser import denoise
from mg_jax.models.patch.motion import Motion
from mg_jax.models.patch.settings import Settings, Stage, fine, stages
from mg_jax.models.patch.stage import Prepared, grid_shape, magnifier, magnify, prepare
from mg_jax.models.patch.views import View
from mg_jax.sampling import Done
from mg_jax.tracing import Progress, Trace
from mg_jax.types import Energy, Image, Info, Latent, Problem, State

_SNAPS = 6
REACH = (2, 3)  # of the patch votes in the coarse and the fine stage


class _Segment(NamedTuple):
    energy: Energy
    repetitions: int
    levels: range


class _Task(NamedTuple):
    """A stage that is being prepared, and its programs, one a segment, that are being compiled."""

    ready: Future[tuple[Prepared, Problem]]
    segments: list[tuple[_Segment, Future[Callable[..., tuple[State, Info]]]]]


def run(
    photo: UInt8[np.ndarray, "H W 3"],
    motion: Motion,
    region: Bool[np.ndarray, "H W"],
    raft: Raft,
    keys: Key[Array, " b"],
    settings: Settings,
    ramp: Float[np.ndarray, " levels"],
    report: Callable[[Progress], None],
) -> tuple[UInt8[np.ndarray, "b H W 3"], Trace]:
    """Edited pictures of the photo's size, one a key; outside `region` they are the photo.

    `ramp` has a value for each level.
    """
    coarse, *finer = stages(settings)
    pictures = seen(photo, motion, settings)

    def ready(stage: Stage, params: Any, features: Callable[..., Any]) -> Prepared:
        return prepare(
            stage,
            settings,
            images.to_float(photo),
            motion,
            region,
            pictures,
            ramp[: stage.levels],
            params,
            features,
        )

    def sampled() -> tuple[Prepared, Problem]:
        found = ready(coarse, raft.params, guiding.features(raft))
        return found, guiding.repeated(found.problem, keys.shape[0])

    rows: list[Trace] = []
    # While the device samples, the fine grid is prepared, and programs are compiled.
    with parallel.beside() as helper:
        task = _task(helper, sampled, _segments(coarse, settings, raft), settings, keys)
        fine = [helper.submit(ready, stage, (), lambda _params, _image: ()) for stage in finer]
        prepared, problem = task.ready.result()
        state = kernel.init(noise.start(keys, (keys.shape[0], *problem.edit.source.shape[1:])))
        for done in sampling.behind(_levels(task, keys, state)):
            rows.append(tracing.of_level(done.info, 0, done.level))
            report(tracing.progress(rows[-1], done.level + 1, coarse.levels))
        image, matches = snapped(prepared, done.state.z, REACH[0])
        for grid in fine:
            image, matches = snapped(grid.result(), larger(grid.result(), image), REACH[1])
    full = [photo, *(images.to_uint8(view.picture) for view in pictures[1:])]
    copied = [copy(photo, full, region, np.asarray(m)) for m in matches]
    return np.stack(copied), tracing.joined(rows)


def seen(photo: UInt8[np.ndarray, "H W 3"], motion: Motion, settings: Settings) -> tuple[View, ...]:
    """What an edit takes its patches from; the first view is the photo, the last the moved one."""
    shape = grid_shape(fine(settings), *photo.shape[:2])
    return views.views(images.to_float(photo), motion, shape)


def preview(
    photo: UInt8[np.ndarray, "H W 3"], motion: Motion, region: Bool[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "H W 3"]:
    """The motion carried out at once, as layers over a continued ground: no diffusion."""
    shape = grid_shape(fine(Settings()), *photo.shape[:2])
    picture = views.preview(images.to_float(photo), motion, shape)
    return np.where(region[..., None], images.to_uint8(picture), photo)


def noised(ready: Prepared, image: Image, keys: Key[Array, " b"]) -> Latent:
    """A picture at the noise of the stage's first level, brought to its grid if it is smaller."""
    alpha = ready.schedule.alpha[0]
    image = larger(ready, image)
    return jnp.sqrt(alpha) * image + jnp.sqrt(1 - alpha) * noise.start(keys, image.shape)


def larger(ready: Prepared, image: Float[Array, "b h w 3"]) -> Float[Array, "b H W 3"]:
    """A picture brought to a stage's grid, of which its own is a part in whole numbers."""
    sides = zip(image.shape[1:3], ready.problem.edit.source.shape[1:3], strict=True)
    down, across = (magnifier(small, large // small) for small, large in sides)
    return magnify((down, across), image)


def _segments(stage: Stage, settings: Settings, raft: Raft) -> list[_Segment]:
    guided = stage.levels - stage.free
    segments = [
        _Segment(energies.color_oracle, stage.repetitions, range(stage.blurred)),
        _Segment(
            guiding.energy_from_target(raft, settings.oracle_flow),
            stage.repetitions,
            range(stage.blurred, guided),
        ),
        _Segment(energies.nothing, 1, range(guided, stage.levels)),
    ]
    return [segment for segment in segments if segment.levels]


def _task(
    helper: Executor,
    ready: Callable[[], tuple[Prepared, Problem]],
    segments: list[_Segment],
    settings: Settings,
    keys: Key[Array, " b"],
) -> _Task:
    """Ask for a stage's preparation, then for the compilation of its programs."""
    prepared = helper.submit(ready)

    def compiled(segment: _Segment) -> Callable[..., tuple[State, Info]]:
        found, problem = prepared.result()
        program = _program(
            segment.energy,
            segment.repetitions,
            settings.gradient_every,
            settings.gradient_through,
        )
        state = kernel.init(jnp.zeros_like(problem.edit.source))
        parallel.compile_for(program, keys, state, schedule.rows(found.schedule, 0, 1), problem)
        return program

    return _Task(prepared, [(segment, helper.submit(compiled, segment)) for segment in segments])


def _levels(task: _Task, keys: Key[Array, " b"], state: State) -> Iterator[Done]:
    """Sample a stage; each level as soon as the device has been asked for it."""
    prepared, problem = task.ready.result()
    for segment, compiled in task.segments:
        program = compiled.result()
        for i in segment.levels:
            state, info = program(keys, state, schedule.rows(prepared.schedule, i, i + 1), problem)
            yield Done(i, state, info)


# Programs are made once a process and kept: jax compiles each once for a shape of its arguments.


@functools.cache
def _program(
    energy: Energy, repetitions: int, gradient_every: int, gradient_through: str
) -> Callable[..., tuple[State, Info]]:
    patch: Kernel = kernel.build(
        kernel.constant(denoise) if gradient_through == "estimate" else denoise,
        magnify,
        energy,
        kernel.noised_source,
        noise.gaussian,
        repetitions,
        gradient_every=gradient_every,
    )
    return jax.jit(functools.partial(sampling.run, patch), donate_argnums=1)


@functools.partial(jax.jit, static_argnames="reach")
def snapped(
    ready: Prepared, z: Latent, reach: int
) -> tuple[Float[Array, "b h w 3"], Int[Array, "b h w 3"]]:
    """The end of a stage: its picture of coherent patches, and the matches that made it."""
    z = jnp.where(ready.problem.edit.keep, ready.problem.edit.source, z)
    params = ready.problem.params.denoiser

    def one(z: Float[Array, "h w 3"]) -> tuple[Array, Array]:
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

    found: tuple[Array, Array] = jax.lax.map(one, z)
    return found
