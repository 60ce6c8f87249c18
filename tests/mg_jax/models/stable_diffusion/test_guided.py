"""An edit with Stable Diffusion's networks at a tiny size, with the real flow network."""

import dataclasses
import functools
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from flows import motions
from flows.motion import Motion
from flows.nn import tracing
from mg_jax import history, images, noise, sample
from mg_jax import networks as read
from mg_jax.interfaces import Request
from mg_jax.models.stable_diffusion import batch, guided, inputs, networks
from mg_jax.models.stable_diffusion.checkpoint import Weights
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.loading import StableDiffusion
from mg_jax.models.stable_diffusion.model import GuidedStableDiffusion
from mg_jax.models.stable_diffusion.replay import Replay
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE
from mg_jax.models.text import tokenizer
from mg_jax.models.text.encoder import TextEncoder

from ....drawing import build

DATA = Path(__file__).parents[4] / "experiments" / "data"
H, W = 100, 150  # worked on at 128 x 128
SETTINGS = StableDiffusionSettings(size=128, steps=2, recursions=2, source="noised")
CONFIG = dataclasses.replace(TINY, text=dataclasses.replace(TINY.text, vocabulary=49408))
WORDS = tokenizer.default("<|endoftext|>")
NET = networks.build(CONFIG, "float32", "blocks")


@functools.cache
def model():
    parts = (
        lambda: UNet(TINY.unet, dtype="float32", rngs=tracing.rngs()),
        lambda: VAE(TINY.vae, dtype="float32", rngs=tracing.rngs()),
        lambda: TextEncoder(CONFIG.text, dtype="float32", rngs=tracing.rngs()),
    )
    return StableDiffusion(CONFIG, Weights(*(build(part)[1] for part in parts)), WORDS)


@functools.cache
def photo():
    return images.resize(images.read(DATA / "coffee.png"), H, W)


@functools.cache
def motion():
    """Flow of the cup, and the edit region."""
    mask = images.read_mask(DATA / "coffee_mask.png").astype(np.uint8)[..., None]
    moving = images.resize(255 * mask, H, W)[..., 0] > 127
    flow = motions.field(motions.parse("translate dx=24 dy=0"), moving)
    return flow, Motion(flow).near(4.0)


def run(
    settings=SETTINGS,
    seed=0,
    samples=1,
    prompt="a cup",
    callback=lambda _: None,
    ramp=None,
    replay=None,
):
    """The pictures, and the history."""
    flow, region = motion()
    request = Request(
        model=GuidedStableDiffusion("tiny", model()),
        image=photo(),
        motion=Motion(flow),
        seed=seed,
        keys=noise.keys(seed, samples),
        settings=settings,
        ramp=np.ones(settings.steps) if ramp is None else ramp,
        flow_model="raft-small",
        prompt=prompt,
        keep_mask=~region,
        replay=replay,
    )
    parts = []

    def observe(step):
        parts.append(history.of_step(step))
        callback(step)

    edited = sample.run(request.model.edit(request), observe)
    return edited.images, history.joined([part for part in parts if part], samples)


@pytest.fixture(scope="module")
def first():
    steps = []
    edited, trace = run(callback=steps.append)
    return edited, trace, steps


def test_only_the_region_changes(first):
    edited, _, _ = first
    _, region = motion()
    assert edited.shape == (1, H, W, 3)
    assert edited.dtype == np.uint8
    np.testing.assert_array_equal(edited[0][~region], photo()[~region])
    assert (edited[0] != photo())[region].mean() > 0.9


def test_every_evaluation_is_recorded(first):
    _, trace, steps = first
    np.testing.assert_array_equal(trace.level, [0, 0, 1, 1])
    np.testing.assert_array_equal(trace.recursion, [0, 1, 0, 1])
    weighed = (
        SETTINGS.flow_weight * trace.terms["flow"] + SETTINGS.color_weight * trace.terms["color"]
    )
    np.testing.assert_allclose(trace.energy, weighed, rtol=1e-5)
    assert [(one.phase, one.done, one.levels) for one in steps] == [
        ("sampling", 1, 2),
        ("sampling", 2, 2),
    ]
    assert steps[0].picture().shape == (1, 128, 128, 3)
    assert (trace.guidance_norm > 0).all()


def test_a_seed_repeats_itself_and_another_does_not(first):
    edited, _, _ = first
    np.testing.assert_array_equal(run()[0], edited)
    assert (run(seed=1)[0] != edited).any()


def test_the_prompt_counts(first):
    assert (run(prompt="a spoon")[0] != first[0]).any()


def test_a_ramp_of_zeros_is_sampling_without_guidance():
    silent = run(ramp=np.zeros(2))
    np.testing.assert_array_equal(silent[1].guidance_norm, 0)


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (512, 512), (100, 1000), (4000, 3000)])
@pytest.mark.parametrize("size", [128, 512, 768])
def test_the_work_picture_is_nearly_of_the_photos_form(shape, size):
    height, width = inputs.work_shape(shape, size)
    assert height % 64 == width % 64 == 0
    assert min(height, width) >= 128
    aspect = np.sqrt(shape[0] / shape[1])
    for found, ideal in ((height, size * aspect), (width, size / aspect)):
        assert abs(found - max(128, ideal)) <= 32


def test_a_latent_is_kept_where_no_pixel_of_it_may_change():
    _, region = motion()
    flow, _ = motion()
    problem = batch.problem_of(
        photo(),
        flow,
        region,
        read.flow_network("raft-small"),
        SETTINGS,
        model(),
        NET,
        Replay(),
    )
    keep = np.asarray(problem.edit.keep)[0, ..., 0]
    rows, columns = (np.nonzero(region)[i] * n // m for i, n, m in ((0, 16, H), (1, 16, W)))
    assert keep.shape == (16, 16)
    assert not keep[rows, columns].any()
    assert keep.any()
    seen = images.to_float(images.resize(photo(), 128, 128))[None]
    np.testing.assert_allclose(
        problem.edit.source, NET.encode(model().weights.vae, jnp.asarray(seen)), atol=1e-4
    )


def test_pasting_blends_from_the_rim_of_the_region_inwards():
    region = np.zeros((60, 80), bool)
    region[20:50, 10:60] = True
    old = np.full((60, 80, 3), 200, np.uint8)
    found = guided.pasted(old, region, np.full((60, 80, 3), 100, np.uint8))
    assert (found[~region] == 200).all()
    assert (found[24:46, 14:56] == 100).all()
    across = found[35, 10:20, 0].astype(int)
    assert 100 < across[0] < 200
    assert (np.diff(across) <= 0).all()


@pytest.mark.long
def test_an_inverted_photo_is_its_own_start_and_surroundings():
    """Without guidance, where nothing is edited, the trajectory leads back to the photo."""
    settings = dataclasses.replace(SETTINGS, source="inverted", recursions=1, finish="decoded")
    steps = []
    edited, _ = run(settings, callback=steps.append, ramp=np.zeros(2))
    assert [(one.phase, one.level) for one in steps] == [
        ("inversion", 1),
        ("inversion", 0),
        ("sampling", 0),
        ("sampling", 1),
    ]
    assert [one.info is None for one in steps] == [True, True, False, False]
    assert steps[0].picture().shape == (1, 128, 128, 3)
    other, _ = run(settings, seed=1, ramp=np.zeros(2))
    np.testing.assert_array_equal(edited, other)  # nothing was drawn


@pytest.mark.long
def test_what_is_given_is_taken():
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal(shape, np.float32)

    replay = Replay(
        start=normal(16, 16, 4),
        trajectory=normal(2, 16, 16, 4),
        keep=rng.random((16, 16, 4)) < 0.5,
        recording=normal(4, 3, 1, 16, 16, 4),
    )
    settings = dataclasses.replace(SETTINGS, finish="decoded", clip_over="batch")
    edited, _ = run(settings, replay=replay)
    np.testing.assert_array_equal(run(settings, seed=5, replay=replay)[0], edited)
    for name in replay._fields:
        value = getattr(replay, name)
        if value is not None:
            changed = ~value if value.dtype == bool else -value
            assert (run(settings, replay=replay._replace(**{name: changed}))[0] != edited).any(), (
                name
            )


@pytest.mark.long
def test_null_text_embeddings_are_taken_level_by_level(first):
    empty = np.asarray(inputs.prompt_of("", 1, 1.0, model(), NET).unconditional)
    same = Replay(unconditional=np.repeat(empty, 2, axis=0))
    np.testing.assert_allclose(run(replay=same)[0].astype(int), first[0], atol=1)
    one = same.unconditional.copy()
    one[1] = 0
    assert (run(replay=Replay(unconditional=one))[0] != first[0]).any()


@pytest.mark.parametrize("name", ["start", "trajectory", "unconditional", "keep"])
def test_what_is_given_must_fit(name):
    replay = Replay(
        **{
            name: np.zeros(
                (3, 3, 3, 3) if name == "trajectory" else (3, 3, 3),
                bool if name == "keep" else np.float32,
            )
        }
    )
    with pytest.raises(ValueError, match=rf"^replay: {name} of shape [^\n]*; expected [^\n]*$"):
        run(replay=replay)


@pytest.mark.parametrize("shape", [(3, 3, 1), (4, 2, 1), (4, 3, 2)])
def test_recorded_noise_must_last_and_fit(shape):
    replay = Replay(recording=np.zeros((*shape, 16, 16, 4), np.float32))
    line = r"^replay: recording of shape [^\n]*; expected \(4, 3, 1, 16, 16, 4\), or more [^\n]*$"
    with pytest.raises(ValueError, match=line):
        run(replay=replay)


def test_levels_that_are_not_guided_run_once():
    settings = dataclasses.replace(SETTINGS, steps=4, guided_from=0.25, guided_until=0.75)
    _, trace = run(settings)
    np.testing.assert_array_equal(trace.level, [0, 1, 1, 2, 2, 3])
    np.testing.assert_array_equal(
        trace.guidance_norm[:, 0] > 0, [False, True, True, True, True, False]
    )


def test_a_warm_start_leaves_levels_out():
    steps = []
    settings = dataclasses.replace(SETTINGS, steps=4, warm_start=0.5)
    edited, trace = run(settings, callback=steps.append)
    np.testing.assert_array_equal(trace.level, [2, 2, 3, 3])
    assert [(one.level, one.done, one.levels) for one in steps] == [(2, 1, 2), (3, 2, 2)]
    assert (run(settings, seed=1)[0] != edited).any()


@pytest.mark.parametrize(
    "shares", [{"warm_start": 0.9}, {"guided_from": 0.5, "guided_until": 0.6}], ids=str
)
def test_however_few_the_levels_one_is_guided(shares):
    _, trace = run(dataclasses.replace(SETTINGS, **shares))
    np.testing.assert_array_equal(trace.level[-2:], [1, 1])
    assert (trace.guidance_norm[-2:] > 0).all()


def test_a_given_start_excludes_a_warm_one():
    replay = Replay(start=np.zeros((16, 16, 4), np.float32))
    settings = dataclasses.replace(SETTINGS, warm_start=0.5)
    with pytest.raises(ValueError, match=r"^replay: a start besides warm_start=0\.5; expected one"):
        run(settings, replay=replay)


@pytest.mark.long
def test_cheaper_gradients_push_elsewhere_from_the_same_energy(first):
    """Two programs for one energy: float32's rounding differs."""
    settings = dataclasses.replace(SETTINGS, gradient_every=2, gradient_through="estimate")
    edited, trace = run(settings)
    np.testing.assert_allclose(trace.energy[0], first[1].energy[0], rtol=1e-4)
    np.testing.assert_array_equal(trace.energy[1], trace.energy[0])
    assert (edited != first[0]).any()
