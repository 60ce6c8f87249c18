"""Laws of the flow network, on the weights that ship."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from flows import raft
from flows.nn.padding import margins


def end_point_error(flow, dx, dy):
    inside = np.asarray(flow)[0, 16:-16, 16:-16]
    return np.linalg.norm(inside - np.array([dx, dy]), axis=-1).mean()


def test_an_image_does_not_move_to_itself(small, picture):
    image = picture(136, 144)
    assert end_point_error(small.flow(small.net.params, image, image, updates=5), 0, 0) < 0.1


@pytest.mark.parametrize(("dx", "dy"), [(5.0, -3.0), (-4.5, 2.0)])
def test_the_flow_of_a_translation_is_the_translation(small, picture, dx, dy):
    pair = picture(136, 144), picture(136, 144, dx, dy)
    assert end_point_error(small.flow(small.net.params, *pair, updates=5), dx, dy) < 0.3


def test_numbers_of_pytorch(small, picture):
    """Stored from torchvision's raft_small, in float64, with the same float16 weights."""
    pair = picture(136, 144), picture(136, 144, 5.0, -3.0)
    flow = np.asarray(small.flow(small.net.params, *pair, updates=5))[0]
    expected = {
        (0, 0): (4.996247, -3.161289),
        (20, 130): (5.409450, -2.749885),
        (67, 101): (5.260835, -2.854169),
        (90, 30): (5.061216, -2.909486),
        (135, 143): (4.708341, -2.410592),
    }
    for (y, x), vector in expected.items():
        np.testing.assert_allclose(flow[y, x], vector, atol=1e-3)


def test_gradient_of_pytorch(small, picture):
    """Stored likewise, in float64: of mean(dx + dy / 2) after five updates."""
    source = small.features(small.net.params, picture(136, 144))

    def energy(image, params, source):
        flow = small.net.flow_from(params, source, image, 5)
        return jnp.mean(flow[..., 0] + 0.5 * flow[..., 1])

    gradient = jax.jit(jax.grad(energy))(picture(136, 144, 5.0, -3.0), small.net.params, source)
    np.testing.assert_allclose(jnp.linalg.norm(gradient.ravel()), 0.4089507, rtol=1e-4)
    for shift, slope in {0.0: -2.194496, 40.0: -0.6304093, 80.0: -0.5735595}.items():
        along = jnp.vdot(gradient, picture(136, 144, shift, shift))
        np.testing.assert_allclose(along, slope, rtol=1e-3)


def test_source_features_then_flow_is_the_flow(small, picture):
    pair = picture(136, 144), picture(136, 144, 2.0, 1.0)
    source = small.features(small.net.params, pair[0])
    found = small.flow_from(small.net.params, source, pair[1], updates=5)
    np.testing.assert_allclose(
        found, small.flow(small.net.params, *pair, updates=5), rtol=0, atol=1e-4
    )


def test_a_network_is_called_as_it_stands_and_is_one_line(small, picture):
    pair = picture(136, 144), picture(136, 144, 2.0, 1.0)
    expected = small.flow(small.net.params, *pair, updates=5)
    np.testing.assert_allclose(small.net(*pair, updates=5), expected, rtol=0, atol=1e-4)
    assert repr(small.net) == "Raft(small, 990,162 parameters)"


def test_images_of_another_kind_are_refused_by_name(small, picture):
    """Bytes would give a flow between equal images."""
    whole = picture(136, 144)
    source = jax.eval_shape(small.net.features, small.net.params, whole)
    with pytest.raises(ValueError, match="RAFT got a first image of 144x100"):
        small.net.features(small.net.params, picture(100, 144))
    with pytest.raises(ValueError, match="RAFT got a second image of 144x100"):
        small.net.flow_from(small.net.params, source, picture(100, 144))


def test_an_estimate_begins_where_it_is_told(small, picture):
    """With no update it stays there; at the truth it needs none, far from it two do not do."""
    pair = picture(136, 144), picture(136, 144, 24.0, -9.0)
    source = small.features(small.net.params, pair[0])
    truth = jnp.broadcast_to(jnp.array([24.0, -9.0]), (1, 136, 144, 2))
    kept = small.net.flow_from(small.net.params, source, pair[1], 0, truth)
    np.testing.assert_allclose(kept, truth, rtol=1e-6)
    near = small.flow_from(small.net.params, source, pair[1], updates=2, start=truth)
    far = small.flow_from(small.net.params, source, pair[1], updates=2)
    assert end_point_error(near, 24, -9) < 0.5 * end_point_error(far, 24, -9)


def test_all_estimates_end_with_the_flow(small, picture):
    pair = picture(136, 144), picture(136, 144, 2.0, 1.0)
    estimates = small.flows(small.net.params, *pair, updates=5)
    assert estimates.shape == (5, 1, 136, 144, 2)
    flow = small.flow(small.net.params, *pair, updates=5)
    np.testing.assert_allclose(estimates[-1], flow, rtol=0, atol=1e-4)
    errors = [end_point_error(estimate, 2.0, 1.0) for estimate in estimates]
    assert errors[-1] < errors[0]


def test_samples_of_a_batch_do_not_meet(small, picture):
    first = jnp.concatenate([picture(136, 144), -picture(136, 144)])
    second = jnp.concatenate([picture(136, 144, 3.0), -picture(136, 144, 0.0, 2.0)])
    together = small.flow(small.net.params, first, second, updates=5)
    for i in range(2):
        alone = small.flow(small.net.params, first[i : i + 1], second[i : i + 1], updates=5)
        np.testing.assert_allclose(together[i], alone[0], rtol=0, atol=1e-3)


def test_any_size_is_padded_by_its_border_and_cropped(small, picture):
    height, width = 129, 142
    pair = picture(height, width), picture(height, width, 3.0, 1.0)
    widen = ((0, 0), margins(height, 8), margins(width, 8), (0, 0))
    padded = [jnp.pad(image, widen, mode="edge") for image in pair]
    assert padded[0].shape == (1, 136, 144, 3)
    flow = small.flow(small.net.params, *pair, updates=5)
    whole = small.flow(small.net.params, *padded, updates=5)
    assert flow.shape == (1, height, width, 2)
    np.testing.assert_allclose(flow, whole[:, 3:132, 1:143], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(127, 300), (128, 64)])
def test_an_image_too_small_is_refused_by_its_size(small, height, width):
    image = jnp.zeros((1, height, width, 3))
    with pytest.raises(ValueError, match=rf"{width}x{height} pixels.*128x128"):
        small.net.flow(small.net.params, image, image)


def test_a_source_of_another_size_is_refused(small, picture):
    source = jax.eval_shape(small.net.features, small.net.params, picture(136, 144))
    with pytest.raises(ValueError, match=r"1x16x16 features.*source of 1x17x18"):
        jax.eval_shape(small.net.flow_from, small.net.params, source, picture(128, 128))


def test_gradient_by_finite_differences_and_of_a_blank_image(small, picture):
    """At one update, before coordinates depend on the image without a gradient.

    A blank image has zero variances, which must not make its gradient infinite.
    """
    source = small.features(small.net.params, picture(136, 144))
    second = picture(136, 144, 1.5, -1.0)
    direction = picture(136, 144, 40.0, 40.0)

    def energy(image, params, source):
        flow = small.net.flow_from(params, source, image, 1)
        return jnp.mean(flow[..., 0] + 0.5 * flow[..., 1])

    value_and_gradient = jax.jit(jax.value_and_grad(energy))

    def at(image):
        return value_and_gradient(image, small.net.params, source)

    step = 2e-3
    difference = at(second + step * direction)[0] - at(second - step * direction)[0]
    slope = jnp.vdot(at(second)[1], direction)
    np.testing.assert_allclose(slope, difference / (2 * step), rtol=0.02)
    assert bool(jnp.isfinite(at(jnp.zeros_like(second))[1]).all())


def test_convolutions_in_half_precision_give_nearly_the_same_float32_flow(picture):
    half = raft.load("raft-small", dtype=jnp.bfloat16)
    pair = picture(136, 144), picture(136, 144, 5.0, -3.0)
    flow = jax.jit(half.flow, static_argnames="updates")(half.params, *pair, updates=5)
    assert flow.dtype == jnp.float32
    assert end_point_error(flow, 5.0, -3.0) < 0.6


def test_the_large_model_has_the_same_shapes(random_arrays):
    large = raft.build(random_arrays("raft-sintel"))
    image = jax.ShapeDtypeStruct((2, 129, 142, 3), jnp.float32)
    assert jax.eval_shape(large.flow, large.params, image, image).shape == (2, 129, 142, 2)


def test_batch_statistics_are_those_of_the_first_images(random_arrays):
    """Then samples do meet, as in a PyTorch network in training mode."""
    images = jax.random.uniform(jax.random.key(1), (2, 128, 128, 3), minval=-1.0)
    differences = {}
    for statistics in ("running", "batch"):
        net = raft.build(random_arrays("raft-sintel"), statistics=statistics)
        context = jax.jit(nnx.merge(net.graph, net.params).context.__call__)
        differences[statistics] = float(jnp.abs(context(images)[:1] - context(images[:1])).max())
    assert differences["running"] < 1e-4
    assert differences["batch"] > 1e-2
