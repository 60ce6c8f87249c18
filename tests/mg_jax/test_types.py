"""The nouns: all data is leaves of one argument, and shapes are checked while tests run."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from mg_jax import kernel, schedule
from mg_jax.types import Edit, Params, Problem, State, Strengths, Target


def problem():
    image, ones = jnp.zeros((2, 8, 8, 3)), jnp.ones(2)
    target = Target(
        source=image,
        flow=image[..., :2],
        visible=image[..., :1],
        features={"maps": [image, image]},
        flow_unit=ones,
        flow_weight=ones,
        color_weight=ones,
    )
    keep = jnp.zeros((2, 4, 4, 1), bool)
    edit = Edit(
        source=jnp.zeros((2, 4, 4, 3)), keep=keep, guidance_mask=jnp.ones(keep.shape), target=target
    )
    return Problem(Params(ones, (), ones), edit, Strengths(ones, ones), prompt=())


def test_all_that_changes_from_edit_to_edit_is_a_leaf_of_the_problem():
    given = problem()
    leaves, structure = jax.tree.flatten(given)
    assert len(leaves) == 2 + 3 + 8 + 2  # weights, edit, target, strengths
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    rebuilt = jax.tree.unflatten(structure, leaves)
    assert rebuilt.edit.target.features["maps"][1] is given.edit.target.features["maps"][1]
    assert isinstance(rebuilt.edit.target, Target)


def test_two_edits_of_one_shape_are_one_kind_of_argument():
    one, two = problem(), problem()
    two = two._replace(strengths=Strengths(two.strengths.clip * 3, two.strengths.clip * 4))
    assert jax.tree.structure(one) == jax.tree.structure(two)
    described = [jax.tree.map(jax.typeof, given) for given in (one, two)]
    assert described[0] == described[1]


def test_a_scan_over_a_schedule_sees_one_level_at_a_time():
    levels = schedule.ddim(5)
    seen, rows = jax.lax.scan(lambda count, row: (count + 1, row), 0, levels)
    assert int(seen) == 5
    assert isinstance(rows, type(levels))
    jax.tree.map(np.testing.assert_array_equal, rows, levels)
    one = jax.tree.map(lambda field: field[0], levels)
    assert {field.shape for field in one} == {()}


def test_a_state_is_two_leaves():
    state = kernel.init(jnp.ones((1, 2, 2, 3)))
    assert isinstance(state, State)
    assert [leaf.shape for leaf in jax.tree.leaves(state)] == [(1, 2, 2, 3), ()]


@pytest.mark.parametrize("shape", [(4, 4, 3), (2, 4, 4, 3, 1)])
def test_a_latent_of_another_rank_is_refused_while_testing(shape):
    with pytest.raises(jaxtyping.TypeCheckError, match="b h w c"):
        kernel.init(jnp.zeros(shape))
