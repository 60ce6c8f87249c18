"""What is compiled for a TPU or an NVIDIA GPU on a machine that has neither.

A level of each model is lowered and exported there; only what CPU gets can be run here.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows import motions
from flows.motion import Motion
from flows.raft import weights
from mg_jax import guiding, images, kernel, noise, schedule
from mg_jax.models.patch import patch_sources
from mg_jax.models.patch.denoiser import denoise
from mg_jax.models.patch.motion import layered
from mg_jax.models.patch.settings import PatchSettings, stages
from mg_jax.models.patch.stage import magnify, prepare
from mg_jax.nn.attention import attend, cudnn

from .models.stable_diffusion import tiny

pytestmark = pytest.mark.long

SIDE = 128  # the least that RAFT takes; 256 tokens, from which attention is fused
CUDNN = {"__cudnn$fmhaSoftmax", "__cudnn$fmhaSoftmaxBackward"}
PALLAS = {"tpu_custom_call"}
FUSED = {"cpu": set(), "cuda": CUDNN, "tpu": PALLAS}


@pytest.fixture
def pretended_cudnn(monkeypatch):
    """JAX makes programs for cuDNN only where it finds cuDNN; it is needed to run them alone."""
    module = "jax._src.cudnn.fused_attention_stablehlo.check_cudnn_version"
    monkeypatch.setattr(module, lambda: 91000)
    cudnn._found.cache_clear()
    yield
    cudnn._found.cache_clear()


def level():
    rows = schedule.ddim(10, np.ones(10))
    return jax.tree.map(lambda column: column[4], rows)


def diffusion_level(dtype):
    """A guided level of Stable Diffusion with tiny networks, and its arguments."""
    guided = tiny.guided(dtype, "blocks", recursions=1)

    def program(seed, state, problem):
        return guided.step(jax.random.wrap_key_data(seed), state, level(), problem)

    def arguments():
        rng = np.random.default_rng(0)
        picture = jnp.asarray(rng.uniform(-1, 1, (1, SIDE, SIDE, 3)), jnp.float32)
        target = tiny.target(weights.load("raft-small", dtype=dtype), picture, flow_unit=1)
        z = tiny.latents(SIDE)
        problem = tiny.problem(tiny.params(dtype), z, target, clip=200)
        return jnp.zeros((1, 2), jnp.uint32), kernel.init(z), problem

    return program, arguments


def patch_level():
    """A guided level of the patch model's coarse stage, and its arguments."""
    coarse, _ = stages(PatchSettings(size=256, steps=4, recursions=2))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
    photo = images.to_float(pixels)
    moving = np.zeros((96, 96), bool)
    moving[30:60, 20:50] = True
    motion = layered(pixels, Motion(motions.field(motions.parse("translate dx=20 dy=0"), moving)))
    raft = weights.load("raft-small")
    ready = prepare(
        coarse,
        PatchSettings(),
        photo,
        motion,
        motion.region,
        patch_sources.views(photo, motion, (32, 32)),
        np.ones(coarse.levels),
        raft.params,
        guiding.features(raft),
    )
    guided = kernel.build(
        denoise,
        magnify,
        guiding.energy(raft, False),
        kernel.noised_source,
        noise.gaussian,
        recursions=1,
    )
    row = jax.tree.map(lambda column: column[2], ready.schedule)

    def program(seed, state, problem):
        return guided.step(jax.random.wrap_key_data(seed), state, row, problem)

    z = jax.random.normal(jax.random.key(2), ready.problem.edit.source.shape)
    return program, lambda: (jnp.zeros((1, 2), jnp.uint32), kernel.init(z), ready.problem)


def flat(program, structure):
    """The program from a list of arrays to a list of arrays: exports keep no other containers."""
    return jax.jit(lambda leaves: jax.tree.leaves(program(*jax.tree.unflatten(structure, leaves))))


def export(program, arguments, *platforms):
    """Without JAX's demand that kernels be served for years: they are cuDNN's, run at once."""
    unchecked = [jax.export.DisabledSafetyCheck.custom_call(name) for name in CUDNN]
    return jax.export.export(program, platforms=platforms, disabled_checks=unchecked)(arguments)


def fused_calls(exported):
    module = exported.mlir_module()
    return {name for name in (*CUDNN, *PALLAS) if f"@{name}(" in module}


@pytest.mark.usefixtures("pretended_cudnn")
def test_each_platform_has_its_own_attention():
    program, arguments = diffusion_level("bfloat16")
    shapes, structure = jax.tree.flatten(jax.eval_shape(arguments))
    program = flat(program, structure)
    for platform, fused in FUSED.items():
        exported = export(program, shapes, platform)
        assert exported.platforms == (platform,)
        assert fused_calls(exported) == fused


@pytest.mark.usefixtures("pretended_cudnn")
def test_what_is_asked_for_in_float32_is_not_fused():
    program, arguments = diffusion_level("float32")
    shapes, structure = jax.tree.flatten(jax.eval_shape(arguments))
    assert fused_calls(export(flat(program, structure), shapes, *FUSED)) == set()


def test_attention_without_cudnn_is_not_fused(monkeypatch):
    monkeypatch.setattr(cudnn, "_found", lambda: False)
    x = jax.ShapeDtypeStruct((2, 256, 2, 16), jnp.bfloat16)
    program = jax.jit(lambda given: attend(*given))
    assert fused_calls(export(program, [x, x, x], "cuda")) == set()
    assert fused_calls(export(program, [x, x, x], "tpu")) == PALLAS


@pytest.mark.usefixtures("pretended_cudnn")
def test_lengths_that_cudnn_has_no_gradient_for_are_not_fused():
    """2.x's innermost grid of a picture of 1088 px has 17 rows and columns."""

    def slopes(given):
        out, pull = jax.vjp(attend, *given)
        return pull(out)

    for n, fused in ((288, CUDNN), (289, set())):
        x = jax.ShapeDtypeStruct((2, n, 2, 64), jnp.bfloat16)
        assert fused_calls(export(jax.jit(slopes), [x, x, x], "cuda")) == fused


# The patch model's prior is a difference of squares near 1e5: programs round its logits by 1e-2.
@pytest.mark.parametrize(("model", "apart"), [("patch", 1e-2), ("diffusion", 1e-4)])
def test_a_level_exported_for_all_platforms_runs_on_this_one(model, apart):
    program, arguments = patch_level() if model == "patch" else diffusion_level("float32")
    given, structure = jax.tree.flatten(arguments())
    program = flat(program, structure)
    exported = export(program, given, *FUSED)
    assert exported.platforms == tuple(FUSED)
    for one, other in zip(jax.jit(exported.call)(given), program(given), strict=True):
        one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
        assert np.linalg.norm(one - other) <= apart * np.linalg.norm(other)
