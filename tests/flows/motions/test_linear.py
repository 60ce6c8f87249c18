"""Laws of motions that keep lines straight."""

import jax.numpy as jnp
import numpy as np
import pytest

from flows import geometry

from .drawing import H, W, block, field, middle


def test_a_translation_moves_the_selected_pixels_and_no_other():
    flow = field("translate dx=7.5 dy=-3")
    assert flow.dtype == np.float32
    assert (flow[block()] == [7.5, -3]).all()
    assert not flow[~block()].any()


def test_a_left_out_component_is_0():
    assert (field("translate dy=4")[block()] == [0, 4]).all()


def test_a_positive_turn_is_counter_clockwise_on_the_screen():
    flow = field("rotate degrees=90 cx=20 cy=15")
    # 5 pixels to the right of the centre goes to 5 pixels above it.
    np.testing.assert_allclose(flow[15, 25], [-5, -5], atol=1e-5)


def test_the_middle_of_the_object_stays_where_it_is_turned_scaled_or_stretched():
    for text in ("rotate degrees=33", "scale factor=1.7", "stretch x=1.5 y=0.7 degrees=20"):
        np.testing.assert_allclose(field(text)[block()].mean(0), [0, 0], atol=1e-5)


@pytest.mark.parametrize("text", ["rotate degrees=33", "scale factor=1.7", "stretch x=2"])
def test_a_given_centre_rests(text):
    flow = field(f"{text} cx=14 cy=12")
    np.testing.assert_allclose(flow[12, 14], [0, 0], atol=1e-6)
    assert np.abs(flow[19, 25]).max() > 1


@pytest.mark.parametrize(
    "text",
    [
        "translate dx=5 dy=-9; translate dx=-5 dy=9",
        "rotate degrees=70; rotate degrees=-70",
        "scale factor=2; scale factor=0.5",
        "stretch x=2 degrees=30; stretch x=0.5 degrees=30",
        "rotate degrees=180; rotate degrees=180",
    ],
)
def test_a_motion_and_its_opposite_are_rest(text):
    np.testing.assert_allclose(field(text), np.zeros((H, W, 2)), atol=1e-5)


@pytest.mark.parametrize(
    ("steps", "one"),
    [
        ("rotate degrees=20; rotate degrees=25", "rotate degrees=45"),
        ("scale factor=2; scale factor=1.5", "scale factor=3"),
        ("stretch x=2; stretch y=2", "scale factor=2"),
        ("stretch x=3 degrees=90", "stretch y=3"),
        ("translate dx=3;; translate dy=2;", "translate dx=3 dy=2"),
    ],
)
def test_steps_add_up(steps, one):
    np.testing.assert_allclose(field(steps), field(one), atol=1e-5)


def test_an_object_that_has_moved_turns_about_itself():
    moved_then_turned = field("translate dx=15 dy=4; rotate degrees=40")
    turned_then_moved = field("rotate degrees=40; translate dx=15 dy=4")
    np.testing.assert_allclose(moved_then_turned, turned_then_moved, atol=1e-5)


def test_scaling_multiplies_every_distance_from_the_middle():
    y, x = np.mgrid[:H, :W]
    offset = (np.stack([x, y], -1) - middle(block()))[block()]
    np.testing.assert_allclose(field("scale factor=1.25")[block()], 0.25 * offset, atol=1e-5)


def test_two_turns_compose_as_flows_do():
    everything = np.ones((H, W), bool)
    first, second = field("rotate degrees=5", everything), field("rotate degrees=7", everything)
    both = np.asarray(geometry.compose(jnp.asarray(first), jnp.asarray(second)))
    inside = (slice(10, -10), slice(10, -10))
    np.testing.assert_allclose(
        both[inside], field("rotate degrees=12", everything)[inside], atol=1e-4
    )
