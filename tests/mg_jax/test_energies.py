"""Energies: their values, where they are zero, where their gradients vanish and are finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mg_jax import energies
from mg_jax.types import Schedule, Target

B, H, W = 2, 10, 12
GENERATOR = np.random.default_rng(0)


def given(params, _target, _image):
    """A flow network that says what it is told."""
    return params


def seen(params, target, image):
    """A flow network that looks: two colours against the source's."""
    return params * jnp.tanh(image[..., :2] - target.features)


LEVEL = Schedule(jnp.int32(3), *(jnp.float32(value) for value in (500.0, 0.5, 0.6, 1.0)))


def at_level(energy):
    """None of these reads the level."""
    return jax.jit(lambda params, target, image: energy(params, target, image, LEVEL))


motion = at_level(energies.motion(given))
oracle = at_level(energies.motion_oracle(given))
color_oracle = at_level(energies.color_oracle)
ENERGIES = {
    "motion": energies.motion(seen),
    "motion_oracle": energies.motion_oracle(seen),
    "color_oracle": energies.color_oracle,
    "nothing": energies.nothing,
}


def energy_of(name):
    return lambda image, params, target: ENERGIES[name](params, target, image, LEVEL)[0]


def gradient_of(name):
    return jax.grad(lambda *arguments: jnp.sum(energy_of(name)(*arguments)))


evaluations = {name: jax.jit(energy_of(name)) for name in ENERGIES}
gradients = {name: jax.jit(gradient_of(name)) for name in ENERGIES}


def picture(seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, (B, H, W, 3)), jnp.float32)


def constant(*values):
    return jnp.broadcast_to(jnp.array(values, jnp.float32), (B, H, W, len(values)))


def target(source, flow, visible=None, flow_unit=(1.0, 1.0), weights=(3.0, 100.0)):
    return Target(
        source=source,
        flow=flow,
        visible=constant(1.0) if visible is None else visible,
        features=source[..., :2],
        flow_unit=jnp.array(flow_unit),
        flow_weight=jnp.full(B, weights[0]),
        color_weight=jnp.full(B, weights[1]),
    )


STILL = constant(0.0, 0.0)
SHIFT = constant(3.0, 2.0)


# Values.


def test_an_unmoved_image_that_should_not_move_has_no_energy():
    source = picture()
    energy, terms = motion(STILL, target(source, STILL), source)
    for value in (energy, *terms):
        np.testing.assert_array_equal(value, np.zeros(B))


def test_an_image_moved_as_asked_has_no_energy_where_its_target_is_visible():
    source = picture()
    moved = jnp.roll(source, (2, 3), axis=(1, 2))
    inside = np.zeros((B, H, W, 1), np.float32)
    inside[:, : H - 2, : W - 3] = 1
    energy, _ = motion(SHIFT, target(source, SHIFT, jnp.asarray(inside)), moved)
    np.testing.assert_array_equal(energy, 0)
    other, _ = motion(SHIFT, target(source, SHIFT, jnp.asarray(inside)), source)
    assert np.all(np.asarray(other) > 10)


def test_the_flow_term_is_the_mean_over_components_in_its_unit():
    wanted = target(picture(), constant(1.0, 1.0), flow_unit=(1.0, 0.25))
    _, terms = motion(constant(4.0, -3.0), wanted, picture())
    np.testing.assert_allclose(terms.flow, [3.5, 3.5 / 4], rtol=1e-6)


def test_the_color_term_is_in_units_of_the_whole_range():
    source = constant(-1.0, -1.0, -1.0)
    for value, expected in ((1.0, 1.0), (-0.8, 0.1)):
        _, terms = motion(STILL, target(source, STILL), constant(value, value, value))
        np.testing.assert_allclose(terms.color, [expected] * B, rtol=1e-6)


def test_the_mask_does_not_change_the_divisor():
    half = jnp.asarray(np.tile(np.arange(W) < W // 2, (B, H, 1))[..., None], jnp.float32)
    source, image = constant(0.0, 0.0, 0.0), constant(0.5, 0.5, 0.5)
    _, terms = motion(STILL, target(source, STILL, half), image)
    np.testing.assert_array_equal(terms.color, [0.125] * B)


def test_constant_images_have_no_color_energy_however_they_move():
    image = constant(0.3, -0.2, 0.9)
    flow = jnp.asarray(GENERATOR.normal(0, 30, (B, H, W, 2)), jnp.float32)
    for energy in (motion, oracle):
        _, terms = energy(flow, target(image, flow), image)
        np.testing.assert_allclose(terms.color, 0, atol=1e-6)


def test_the_energy_is_the_weighted_sum_of_its_terms():
    wanted = target(picture(0), SHIFT, weights=(2.0, 7.0))
    for energy in (motion, oracle, color_oracle):
        total, terms = energy(constant(1.0, 0.5), wanted, picture(1))
        np.testing.assert_allclose(total, 2 * terms.flow + 7 * terms.color, rtol=1e-6)
        assert total.shape == terms.flow.shape == terms.color.shape == (B,)


# The oracles.


def test_with_the_target_estimated_the_oracle_is_the_motion_energy():
    wanted = target(picture(0), SHIFT)
    energy, terms = motion(SHIFT, wanted, picture(1))
    oracle_energy, oracle_terms = oracle(SHIFT, wanted, picture(1))
    np.testing.assert_array_equal(energy, oracle_energy)
    np.testing.assert_array_equal(terms.color, oracle_terms.color)
    np.testing.assert_array_equal(terms.flow, 0)


def test_the_oracles_color_goes_by_the_target_whatever_is_estimated():
    wanted = target(picture(0), SHIFT)
    _, right = oracle(SHIFT, wanted, picture(1))
    _, wrong = oracle(STILL, wanted, picture(1))
    _, alone = color_oracle((), wanted, picture(1))
    np.testing.assert_array_equal(right.color, wrong.color)
    np.testing.assert_array_equal(right.color, alone.color)
    np.testing.assert_allclose(wrong.flow, [2.5] * B)
    np.testing.assert_array_equal(alone.flow, 0)


def test_nothing_is_zero():
    energy, terms = energies.nothing((), target(picture(), SHIFT), picture(1), LEVEL)
    for value in (energy, *terms):
        np.testing.assert_array_equal(value, np.zeros(B))


# Gradients.


@pytest.mark.parametrize("name", ["motion_oracle", "color_oracle"])
def test_hidden_pixels_send_no_color_gradient_to_where_they_go(name):
    visible = jnp.asarray(GENERATOR.integers(0, 2, (B, H, W, 1)), jnp.float32)
    wanted = target(picture(0), SHIFT, visible, weights=(0.0, 1.0))
    scale = jnp.float32(1.0)
    gradient = np.asarray(gradients[name](picture(1), scale, wanted))
    reached = gradient[:, 2:-3, 3:-4]  # nearer to the edge, mirrored pixels land too
    expected = np.broadcast_to(visible[:, : H - 5, : W - 7], reached.shape) / (2 * H * W * 3)
    np.testing.assert_allclose(np.abs(reached), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["motion", "motion_oracle", "color_oracle"])
@pytest.mark.parametrize("pixels", [0.5, 3.0, 1e4], ids=lambda value: f"{value} px")
@pytest.mark.parametrize("same", [True, False], ids=["unmoved", "other image"])
def test_gradients_are_finite(name, pixels, same):
    source = picture(0)
    wanted = target(source, constant(pixels, -pixels))
    gradient = gradients[name](source if same else picture(1), jnp.float32(pixels), wanted)
    assert np.all(np.isfinite(gradient))
    assert np.any(np.asarray(gradient) != 0)


@pytest.mark.parametrize("name", ENERGIES)
def test_at_zero_error_the_gradient_is_zero_not_nan(name):
    source = picture(0)
    gradient = gradients[name](source, jnp.float32(2.0), target(source, STILL))
    np.testing.assert_array_equal(gradient, 0)


def test_the_color_loss_teaches_the_estimated_flow_but_not_the_oracles():
    wanted = target(picture(0), SHIFT, weights=(0.0, 1.0))
    lessons = [
        jax.jit(jax.grad(lambda flow, e=energy: jnp.sum(e(flow, wanted, picture(1))[0])))(
            constant(0.3, 0.6)
        )
        for energy in (motion, oracle)
    ]
    assert np.mean(np.asarray(lessons[0]) != 0) > 0.9
    np.testing.assert_array_equal(lessons[1], 0)


def test_the_gradient_lowers_the_energy():
    wanted = target(picture(0), constant(0.7, -0.4))
    image, scale = picture(1), jnp.float32(2.0)
    gradient = gradients["motion"](image, scale, wanted)
    before = evaluations["motion"](image, scale, wanted)
    after = evaluations["motion"](image - 1e-3 * gradient, scale, wanted)
    assert np.all(np.asarray(after) < np.asarray(before))


@pytest.mark.parametrize("name", ["motion", "motion_oracle", "color_oracle"])
def test_samples_do_not_interact(name):
    one, two = target(picture(0), SHIFT), target(picture(2), STILL)
    mixed = jax.tree.map(lambda a, b: jnp.stack([a[0], b[1]]), one, two)
    image = jnp.stack([picture(1)[0], picture(3)[1]])
    scale = jnp.float32(2.0)
    for run in (gradients[name], evaluations[name]):
        expected, changed = run(picture(1), scale, one), run(image, scale, mixed)
        np.testing.assert_array_equal(changed[0], expected[0])
        assert np.any(np.asarray(changed[1]) != np.asarray(expected[1]))


def test_an_energy_is_a_function_to_jax():
    """Mapped over strengths and over samples, jitted, and differentiated in the source's flow."""
    wanted, image, scale = target(picture(0), SHIFT), picture(1), jnp.float32(2.0)
    energy = energy_of("motion")
    strengths = jnp.array([[1.0, 3.0], [2.0, 5.0]])
    swept = jax.jit(
        jax.vmap(lambda weight: energy(image, scale, wanted._replace(flow_weight=weight)))
    )(strengths)
    alone = [energy(image, scale, wanted._replace(flow_weight=weight)) for weight in strengths]
    np.testing.assert_allclose(swept, alone, rtol=1e-5)
    one_by_one = jax.vmap(
        lambda picture, one: energy(
            picture[None], scale, jax.tree.map(lambda leaf: leaf[None], one)
        )[0]
    )(image, wanted)
    np.testing.assert_allclose(one_by_one, energy(image, scale, wanted), rtol=1e-5)
    slope = jax.grad(lambda flow: energy(image, scale, wanted._replace(flow=flow)).sum())(SHIFT)
    assert np.isfinite(slope).all()
    assert np.any(np.asarray(slope) != 0)
