"""Laws of the flow network: with random weights always, with the published ones where fetched."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flows import gmflow
from flows.nn.padding import margins
from flows.raft.weights import cache_dir

SIZE = (64, 96)


def doubles(*pictures):
    return jnp.concatenate(pictures).astype(jnp.float64)


@pytest.mark.skipif(
    not (cache_dir() / "gmflow.safetensors").is_file(), reason="needs the fetched weights"
)
@pytest.mark.parametrize("motion", [(5, -3), (2, 1), (0, 0), (-12, 9)])
def test_the_flow_of_a_translation_is_the_translation(picture, motion):
    net = gmflow.load("gmflow")
    flow = jax.jit(net.flow)(net.params, picture(128, 160), picture(128, 160, *motion))
    inside = np.asarray(flow)[0, 16:-16, 16:-16]
    assert np.linalg.norm(inside - np.array(motion), axis=-1).mean() < 0.3


def test_source_features_then_flow_is_the_flow(exact, picture):
    pair = doubles(picture(*SIZE)), doubles(picture(*SIZE, 2, 1))
    source = exact.features(exact.net.params, pair[0])
    found = exact.flow_from(exact.net.params, source, pair[1])
    np.testing.assert_allclose(found, exact.flow(exact.net.params, *pair), rtol=0, atol=1e-8)


def test_updates_and_start_are_not_read(small, picture):
    source = small.features(small.net.params, picture(*SIZE))
    plain = small.flow_from(small.net.params, source, picture(*SIZE, 3))
    start = jnp.full((1, *SIZE, 2), jnp.nan)
    with_both = jax.jit(lambda *given: small.net.flow_from(*given, updates=7, start=start))
    other = with_both(small.net.params, source, picture(*SIZE, 3))
    np.testing.assert_array_equal(plain, other)


def test_samples_of_a_batch_do_not_meet(exact, picture):
    first = doubles(picture(*SIZE), -picture(*SIZE))
    second = doubles(picture(*SIZE, 3), -picture(*SIZE, 0, 2))
    together = exact.flow(exact.net.params, first, second)
    for i in range(2):
        alone = exact.flow(exact.net.params, first[i : i + 1], second[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], rtol=0, atol=1e-8)


def test_mapping_is_a_batch(exact, picture):
    first = doubles(picture(*SIZE), -picture(*SIZE))
    second = doubles(picture(*SIZE, 3), -picture(*SIZE, 0, 2))
    mapped = jax.jit(jax.vmap(exact.net.flow, (None, 0, 0)))
    found = mapped(exact.net.params, first[:, None], second[:, None])
    together = exact.flow(exact.net.params, first, second)
    np.testing.assert_allclose(found[:, 0], together, rtol=0, atol=1e-8)


def test_any_size_is_padded_by_its_border_and_cropped(small, picture):
    height, width = 57, 90
    pair = picture(height, width), picture(height, width, 3, 1)
    widen = ((0, 0), margins(height, 32), margins(width, 32), (0, 0))
    padded = [jnp.pad(image, widen, mode="edge") for image in pair]
    assert padded[0].shape == (1, *SIZE, 3)
    flow = small.flow(small.net.params, *pair)
    whole = small.flow(small.net.params, *padded)
    assert flow.shape == (1, height, width, 2)
    np.testing.assert_allclose(flow, whole[:, 3:60, 3:93], rtol=0, atol=1e-4)


@pytest.mark.long
def test_gradient_by_finite_differences_and_of_a_blank_image(random_net, picture):
    """In float64. A blank image has zero variances, which must not make its gradient infinite."""
    first, second = picture(*SIZE), picture(*SIZE, 2, -1)
    with jax.enable_x64(True):
        net = random_net(dtype=jnp.float64)
        params, first, second = jax.tree.map(
            lambda leaf: leaf.astype(jnp.float64), (net.params, first, second)
        )

        @jax.jit
        def at(image, params, first):
            def energy(image):
                flow = net.flow(params, first, image)
                return jnp.mean(flow[..., 0] + 0.5 * flow[..., 1])

            return jax.value_and_grad(energy)(image)

        step = 1e-7 * first
        ahead, behind = (at(second + sign * step, params, first)[0] for sign in (1, -1))
        slope = jnp.vdot(at(second, params, first)[1], step)
        np.testing.assert_allclose(2 * slope, ahead - behind, rtol=1e-4)
        assert bool(jnp.isfinite(at(jnp.zeros_like(second), params, first)[1]).all())


def test_each_image_is_refused_by_its_own_name(small, picture):
    with pytest.raises(ValueError, match="a first image of 64x16"):
        small.net.features(small.net.params, jnp.zeros((1, 16, 64, 3)))
    source = jax.eval_shape(small.net.features, small.net.params, picture(*SIZE))
    with pytest.raises(ValueError, match="a second image of 64x16"):
        jax.eval_shape(small.net.flow_from, small.net.params, source, jnp.zeros((1, 16, 64, 3)))
    with pytest.raises(ValueError, match=r"1x16x16 features.*source of 1x16x24"):
        jax.eval_shape(small.net.flow_from, small.net.params, source, picture(64, 64))


def calm(net):
    """The network with features half as large: matches are means, not one pixel by chance."""
    halved = [
        (path, one.replace(0.5 * one.get_value()))
        if path[-1] == "scale" or path[:2] == ("encoder", "branch")
        else (path, one)
        for path, one in nnx.to_flat_state(net.params)
    ]
    return dataclasses.replace(net, params=nnx.from_flat_state(halved))


def test_half_precision_gives_nearly_the_same_float32_flow(random_net, picture):
    half, whole = calm(random_net(dtype=jnp.bfloat16)), calm(random_net())
    pair = picture(*SIZE), picture(*SIZE, 3, 1)
    flow = jax.jit(half.flow)(half.params, *pair)
    full = jax.jit(whole.flow)(whole.params, *pair)
    assert flow.dtype == jnp.float32
    assert float(jnp.abs(flow - full).mean() / jnp.abs(full - full.mean()).mean()) < 0.2


def test_one_scale_has_the_same_shapes():
    shapes = nnx.eval_shape(
        lambda: gmflow.Network(gmflow.SINGLE, dtype=jnp.float32, rngs=nnx.Rngs(0))
    )
    net = gmflow.GMFlow(gmflow.SINGLE, *nnx.split(shapes))
    image = jax.ShapeDtypeStruct((2, 33, 50, 3), jnp.float32)
    assert jax.eval_shape(net.flow, net.params, image, image).shape == (2, 33, 50, 2)
    assert len(jax.eval_shape(net.features, net.params, image).features) == 1
