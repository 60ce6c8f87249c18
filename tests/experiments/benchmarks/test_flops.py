"""Counted operations against closed forms."""

import jax
import jax.numpy as jnp
import pytest

from experiments.benchmarks import flops
from mg_jax.nn.attention import attend


def shaped(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


A, B = shaped(5, 7), shaped(7, 11)
PRODUCT = 2 * 5 * 7 * 11


def product(a, b):
    return a @ b


def conv(x, kernel, stride=1, padding="VALID", groups=1, dilation=1):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def slopes(function, *arguments):
    """Operations of the value and of the gradients to all arguments."""

    def both(*arguments):
        out, pull = jax.vjp(function, *arguments)
        return out, pull(jnp.ones_like(out))

    return flops.of(both, *arguments)


def test_a_matrix_product_is_two_for_each_row_column_and_term():
    assert flops.of(product, A, B) == PRODUCT


def test_a_batch_of_products_is_as_many_products():
    assert flops.of(jax.vmap(product), shaped(3, 5, 7), shaped(3, 7, 11)) == 3 * PRODUCT


def test_what_is_no_product_is_not_counted():
    assert flops.of(lambda a: jnp.exp(a).sum() + a.max(), A) == 0


def test_the_gradients_to_both_factors_cost_two_more_products():
    assert slopes(product, A, B) == 3 * PRODUCT


def test_a_convolution_is_a_product_at_each_place():
    x, kernel = shaped(2, 10, 12, 3), shaped(3, 5, 3, 4)
    assert flops.of(conv, x, kernel) == 2 * (2 * 8 * 8) * (3 * 5 * 3) * 4


def test_groups_multiply_their_own_channels_alone():
    x, kernel = shaped(2, 10, 12, 6), shaped(3, 5, 3, 4)
    assert flops.of(lambda x, k: conv(x, k, groups=2), x, kernel) == 2 * (2 * 8 * 8) * (15 * 3) * 4


def test_padding_is_not_counted():
    x, kernel = shaped(1, 4, 1, 1), shaped(3, 1, 1, 1)
    # Of the 4 · 3 taps the first and the last lie outside.
    assert flops.of(lambda x, k: conv(x, k, padding="SAME"), x, kernel) == 2 * 10


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("groups", [1, 2])
def test_each_gradient_of_a_convolution_costs_a_convolution(stride, padding, dilation, groups):
    def function(x, kernel):
        return conv(x, kernel, stride, padding, groups, dilation)

    x, kernel = shaped(2, 13, 13, 4), shaped(3, 3, 4 // groups, 6)
    assert slopes(function, x, kernel) == 3 * flops.of(function, x, kernel)


def test_a_scan_is_counted_as_often_as_it_runs_and_so_is_its_gradient():
    def power(a):
        return jax.lax.scan(lambda x, _: (x @ a, None), a, length=9)[0]

    square = shaped(6, 6)
    assert flops.of(power, square) == 9 * 2 * 6**3
    assert slopes(power, square) == 3 * 9 * 2 * 6**3


def test_calls_are_walked_through():
    @jax.custom_vjp
    def own(a, b):
        return a @ b

    own.defvjp(lambda a, b: (a @ b, ()), lambda _, slope: (slope, slope))
    for call in (jax.jit(product), jax.checkpoint(product), own):
        assert flops.of(call, A, B) == PRODUCT


def test_slopes_that_nobody_asks_for_are_not_counted():
    @jax.custom_vjp
    def own(a, b):
        return a @ b

    own.defvjp(lambda a, b: (a @ b, (a, b)), lambda ab, slope: (slope @ ab[1].T, ab[0].T @ slope))

    def steps(a, b):
        x = jax.lax.scan(lambda x, _: (jnp.sin(own(x, b)), None), a, length=3)[0]
        return jnp.square(x).sum()

    square, product = shaped(6, 6), 2 * 6**3
    assert flops.of(jax.grad(steps), square, square) == 3 * 2 * product
    assert flops.of(jax.grad(steps, argnums=(0, 1)), square, square) == 3 * 3 * product


def test_recomputation_is_counted():
    def twice(a, b):
        return jnp.sin(jnp.sin(a @ b))

    assert slopes(jax.checkpoint(twice), A, B) == slopes(twice, A, B) + PRODUCT


def test_of_a_condition_the_longest_branch_counts():
    def either(a, b):
        return jax.lax.cond(a[0, 0] > 0, lambda: a @ b, lambda: jnp.zeros((5, 11)))

    assert flops.of(either, A, B) == PRODUCT


def test_a_loop_of_unknown_length_is_refused_if_it_holds_products():
    def until(a):
        return jax.lax.while_loop(lambda x: x.sum() < 9, lambda x: x @ x, a)

    with pytest.raises(ValueError, match="while loop"):
        flops.of(until, shaped(4, 4))
    assert flops.of(lambda a: jax.lax.while_loop(lambda x: x.sum() < 9, jnp.exp, a), A) == 0


@pytest.mark.parametrize("keys", [77, 128])  # one block, not filled up
def test_attention_is_two_products_a_head(keys):
    batch, tokens, heads, width = 2, 40, 3, 8
    query, key = shaped(batch, tokens, heads, width), shaped(batch, keys, heads, width)
    assert flops.of(attend, query, key, key) == batch * heads * 4 * tokens * keys * width
