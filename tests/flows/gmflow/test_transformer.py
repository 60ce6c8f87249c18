"""Windows hold what they should, and attention stays inside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flows.gmflow.transformer import attend
from flows.gmflow.windows import Windows

SHAPES = [Windows(8, 12, (2, 2), True), Windows(8, 12, (4, 2), False), Windows(8, 12, (1, 3), True)]


@pytest.mark.parametrize("windows", SHAPES)
def test_joined_windows_are_the_map(windows):
    x = jax.random.normal(jax.random.key(0), (2, 8, 12, 3))
    cut = windows.cut(x)
    assert cut.shape == (2, np.prod(windows.splits), 96 // np.prod(windows.splits), 3)
    np.testing.assert_array_equal(windows.joined(cut), x)


@pytest.mark.parametrize("windows", SHAPES)
def test_strangers_are_those_that_the_turn_brought_together(windows):
    """Two places of a window are beside each other in the map as often as in the window."""
    y, x = jnp.mgrid[:8, :12]
    places = np.asarray(windows.cut(jnp.stack([y, x], -1)[None].astype(jnp.float32)))[0]
    rows, columns = windows.sides
    own = np.stack(np.mgrid[:rows, :columns], -1).reshape(-1, 2)
    in_map = places[:, :, None] - places[:, None]
    in_window = own[:, None] - own[None]
    np.testing.assert_array_equal(windows.strangers(), (in_map != in_window).any(-1))


@pytest.mark.parametrize("windows", SHAPES)
def test_attention_sees_its_window_and_no_stranger(windows):
    keys = jax.random.split(jax.random.key(0), 3)
    query, key, value = (jax.random.normal(k, (1, 8, 12, 4)) for k in keys)
    found = attend(query, key, value, windows)
    q, k, v = (np.asarray(windows.cut(x), np.float64)[0] for x in (query, key, value))
    logits = np.einsum("nqc,nkc->nqk", q, k) / 2
    weights = np.where(windows.strangers(), 0, np.exp(logits))
    weights /= weights.sum(-1, keepdims=True)
    expected = windows.joined(jnp.asarray(weights @ v, jnp.float32)[None])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_side_that_is_not_cut_is_not_turned():
    assert Windows(8, 12, (1, 3), True).shift == (0, 2)
    assert Windows(8, 12, (1, 1), True).shift == (0, 0)
    assert Windows(8, 12, (2, 3), False).shift == (0, 0)
