"""Checks that need eight devices: `test_devices.py` runs each in a process that has them.

XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m tests.mg_jax.eight_devices NAME
"""

import functools
import re
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.cudnn import fused_attention_stablehlo

import mg_jax
from flows import raft
from mg_jax import devices, energies, guiding, kernel, noise, schedule
from mg_jax import sample as loop
from mg_jax.models.stable_diffusion import batch, converted, guided, loading, model, networks
from mg_jax.models.stable_diffusion.batch import Batch, Stored
from mg_jax.prompting import Prompt
from mg_jax.types import Edit, Params, Problem, Strengths, Target

from .models.stable_diffusion import published, test_guided, tiny

SAMPLES, SIDE, LEVELS = 8, 64, 2
READS = Stored(trajectory=True, unconditional=True, recording=False)
CONFIG = tiny.TINY
TALK = "all-reduce|all-gather|all-to-all|collective|reduce-scatter|send|recv"
ROWS = schedule.ddim(LEVELS)


@functools.cache
def params(dtype):
    cast = functools.partial(jax.tree.map, lambda leaf: leaf.astype(dtype))
    return Params(*cast(tiny.params("float32"))[:2], ())


def sample(i, dtype):
    """An edit unlike the others: photo, flow, mask, prompt, seed and strength."""
    rng = np.random.default_rng(i)

    def drawn(*shape):
        return jnp.asarray(rng.standard_normal(shape), dtype)

    one, grid, text = jnp.ones(1, dtype), (SIDE // 8, SIDE // 8), CONFIG.text
    target = Target(
        source=jnp.clip(drawn(1, SIDE, SIDE, 3), -1, 1),
        flow=jnp.full((1, SIDE, SIDE, 2), i + 1, dtype),
        visible=jnp.ones((1, SIDE, SIDE, 1), dtype),
        features=(),
        flow_unit=one,
        flow_weight=one,
        color_weight=100 * one,
    )
    edit = Edit(
        source=drawn(LEVELS, 1, *grid, CONFIG.vae.latent),
        keep=drawn(1, *grid, 1) > 1,
        guidance_mask=jnp.ones((1, *grid, 1), dtype),
        target=target,
    )
    prompt = Prompt(
        unconditional=drawn(LEVELS, 1, text.length, text.width),
        conditional=drawn(1, text.length, text.width),
        scale=(1 + i) * one,
    )
    problem = Problem((), edit, Strengths(100 * (i + 1) * one, 10 * one), prompt)
    return Batch(noise.keys(i, 1), drawn(1, *grid, CONFIG.vae.latent), problem)


def walked(samples, dtype, wanted):
    """All levels of samples, on so many devices: the last latents, and what was run."""
    mesh = devices.mesh(len(samples), wanted)
    where = batch.specs(READS)
    run = devices.joined(samples, where)
    run = run._replace(problem=run.problem._replace(params=params(dtype)))
    run = devices.put(run, mesh, where)
    net = networks.build(CONFIG, str(jnp.dtype(dtype)), "blocks")
    program = guided._program(net, energies.color_oracle, 2, 1, "denoiser", "sample", READS, mesh)
    state = devices.put(kernel.init(run.start), mesh, devices.STATE)
    for level in range(LEVELS):
        row = devices.put(schedule.rows(ROWS, level, level + 1), mesh, devices.NOWHERE)
        arguments = (run.randomness, state, row, run.problem)
        state, info = program(*arguments)
    return state, info, program, arguments


def samples(dtype):
    return [sample(i, dtype) for i in range(SAMPLES)]


def a_shard_on_every_device_and_no_word_between_them():
    state, info, program, arguments = walked(samples(np.float32), np.float32, 8)
    for array, axis in ((state.z, 0), (info.clean, 1), (info.energy, 2), (info.terms.color, 2)):
        assert {shard.device for shard in array.addressable_shards} == set(jax.devices())
        assert {shard.data.shape[axis] for shard in array.addressable_shards} == {1}
    assert program._cache_size() == 1
    assert re.findall(TALK, program.lower(*arguments).compile().as_text()) == []
    fewer, *_ = walked(samples(np.float32), np.float32, 2)
    np.testing.assert_array_equal(fewer.z, state.z)
    assert len(fewer.z.sharding.device_set) == 2


def each_sample_is_what_one_device_makes():
    jax.config.update("jax_enable_x64", True)
    global ROWS
    ROWS = schedule.ddim(LEVELS)
    together, info, *_ = walked(samples(np.float64), np.float64, 8)
    assert together.z.dtype == np.float64
    for i, one in enumerate(samples(np.float64)):
        alone, of_one, *_ = walked([one], np.float64, None)
        assert len(alone.z.sharding.device_set) == 1
        for found, expected in (
            (together.z[i], alone.z[0]),
            (info.energy[..., i], of_one.energy[..., 0]),
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def what_couples_samples_is_refused():
    flow, _ = test_guided.motion()
    one = {"image": test_guided.photo(), "flow": flow}
    for name in ("clip_over", "flow_statistics"):
        settings = mg_jax.StableDiffusionSettings(size=128, **{name: "batch"})
        with pytest.raises(ValueError, match=rf"^{name}: batch, for samples on 2 devices; exp"):
            mg_jax.edit(*one.values(), model=test_guided.model(), settings=settings, samples=2)
    other = {**one, "settings": mg_jax.StableDiffusionSettings(size=192)}
    with pytest.raises(ValueError, match=r"^edits\[1\]: size: 192; expected 512, as in the first"):
        mg_jax.edit_batch([one, other], test_guided.model())


def attention_is_fused_for_tpus_and_nvidia():
    """With plain `jit` a level on several devices cannot be lowered for TPUs at all."""
    fused_attention_stablehlo.check_cudnn_version = lambda: 91000  # no cuDNN is needed to lower
    side = 128  # 256 tokens, from which attention is fused
    source = tiny.latents(side)
    target = tiny.target(
        raft.load("raft-small", dtype="bfloat16"), jnp.zeros((1, side, side, 3)), flow_unit=1
    )
    problem = guiding.repeated(tiny.problem(tiny.params("bfloat16"), source, target, 200), SAMPLES)
    repeat = functools.partial(jnp.repeat, repeats=SAMPLES, axis=0)
    problem = problem._replace(prompt=jax.tree.map(repeat, problem.prompt))
    level = functools.partial(loop.scan, tiny.guided("bfloat16", "blocks", 1))
    mesh, where = devices.mesh(SAMPLES), devices.problem(stored=False, prompt=devices.FIRST)
    program = jax.jit(
        devices.spread(
            level,
            mesh,
            (devices.FIRST, devices.STATE, devices.NOWHERE, where),
            (devices.STATE, devices.INFO),
        )
    )
    traced = program.trace(
        devices.put(noise.keys(0, SAMPLES), mesh, devices.FIRST),
        devices.put(kernel.init(repeat(source)), mesh, devices.STATE),
        schedule.rows(ROWS, 0, 1),
        devices.put(problem, mesh, where),
    )
    for platform, call in (("tpu", "@tpu_custom_call"), ("cuda", "@__cudnn$fmhaSoftmax")):
        assert call in traced.lower(lowering_platforms=(platform,)).as_text()


def weights_go_to_every_device():
    """As published, and from our own folder; without a mesh, to the first alone."""
    with tempfile.TemporaryDirectory() as work:
        drawn = published.draw(published.FIRST)
        theirs = published.folder(Path(work) / "theirs", published.FIRST, drawn)
        ours = Path(work) / "ours"
        found = loading.inspect(theirs)
        converted.write(ours, found, loading.take(found).weights)
        for folder in (theirs, ours):
            for mesh in (devices.mesh(SAMPLES), None):
                leaves = jax.tree.leaves(model.read(str(folder), "float32", mesh=mesh).weights)
                everywhere = set(jax.devices() if mesh else jax.devices()[:1])
                assert all(leaf.sharding.device_set == everywhere for leaf in leaves)
                assert all(leaf.is_fully_replicated for leaf in leaves)
                near = jax.tree.leaves(devices.first(leaves))
                assert {leaf.device for leaf in near} == {jax.devices()[0]}


def samples_are_dealt_out_evenly():
    assert devices.mesh(1) is devices.mesh(8, 1) is None
    for count, wanted, size, padding in (
        (8, None, 8, 0),
        (3, None, 3, 0),
        (9, None, 8, 7),
        (5, 2, 2, 1),
    ):
        mesh = devices.mesh(count, wanted)
        assert (mesh.size, devices.padding(count, mesh)) == (size, padding)
        assert devices.share(count) == range(count)
    for wanted in (0, 9):
        line = f"devices: {wanted}; expected 1 to 8, all of this process"
        with pytest.raises(ValueError, match=line):
            devices.mesh(4, wanted)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
