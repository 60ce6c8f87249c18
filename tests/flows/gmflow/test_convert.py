"""Conversion fills every parameter from every array, or names all faults at once."""

import jax
import numpy as np
import pytest

from flows import gmflow
from flows.gmflow.published import checkpoint
from flows.raft.convert import to_arrays

SHAPES = {name: tuple(place[1:]) for name, place in checkpoint().arrays.items()}


@pytest.fixture(scope="module")
def published(random_arrays):
    return random_arrays(SHAPES)


@pytest.fixture(scope="module")
def net(published):
    return gmflow.build(published)


def test_the_published_checkpoint_is_the_refined_network(net):
    assert net.config == gmflow.REFINED
    assert len(SHAPES) == len(jax.tree.leaves(net.params)) == 124
    count = sum(leaf.size for leaf in jax.tree.leaves(net.params))
    assert round(count, -5) == 4_700_000  # as in the paper's table


def test_arrays_are_where_they_belong(net, published):
    ours = to_arrays(net.params)
    stem = published["backbone.conv1.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(ours["encoder.stem.kernel"], stem)
    name = "transformer.layers.3"
    wide = published[f"{name}.cross_attn_ffn.mlp.0.weight"].T
    np.testing.assert_array_equal(ours[f"{name}.widen.kernel"], wide)
    scale = published[f"{name}.self_attn.norm1.weight"]
    np.testing.assert_array_equal(ours[f"{name}.own.norm.scale"], scale)
    bias = published["feature_flow_attn.k_proj.bias"]
    np.testing.assert_array_equal(ours["propagation.key.bias"], bias)


def test_our_own_layout(net):
    again = gmflow.build(to_arrays(net.params), fit="published")
    assert again.fit == "published"
    pairs = zip(jax.tree.leaves(again.params), jax.tree.leaves(net.params), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_one_scale_is_told_by_its_arrays(published):
    single = {name: array for name, array in published.items() if "trident" not in name}
    single["upsampler.2.weight"] = np.zeros((576, 256, 1, 1), np.float32)
    single["upsampler.2.bias"] = np.zeros(576, np.float32)
    assert gmflow.build(single).config == gmflow.SINGLE


def test_all_faults_are_listed_in_one_error(published):
    arrays = dict(published)
    arrays["backbone.extra.weight"] = np.zeros(3, np.float32)
    del arrays["feature_flow_attn.q_proj.bias"]
    arrays["transformer.layers.0.self_attn.merge.weight"] = np.zeros((128, 64), np.float32)
    with pytest.raises(ValueError, match="do not fit GMFlow refined") as caught:
        gmflow.build(arrays)
    faults = str(caught.value).splitlines()[1:]
    assert len(faults) == 3
    text = "\n".join(faults)
    assert "backbone.extra.weight: no parameter has this name" in text
    assert "propagation.query.bias: no array fills this parameter" in text
    assert "merge.weight: shape (128, 64), expected (128, 128)" in text


@pytest.mark.parametrize(
    ("bad", "said"), [(np.float32("nan"), "NaN or infinite numbers"), (3, "int64")]
)
def test_what_is_no_finite_float_is_refused_by_name(published, bad, said):
    name = "upsampler.0.bias"
    with pytest.raises(ValueError, match="expected finite floats") as caught:
        gmflow.build(published | {name: np.full(256, bad)})
    assert str(caught.value) == f"{name}: holds {said}; expected finite floats"


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"no GMFlow weights.*unet\.conv"):
        gmflow.build({"unet.conv": np.zeros(3, np.float32)})
