"""Conversion fills every parameter from every array, or names all faults at once."""

import jax
import numpy as np
import pytest

from flows import raft
from flows.raft.convert import build, destination, their_axes
from flows.raft.layouts import module_table

SIGNS = {
    "princeton": "module.update_block.",
    "princeton, prefix dropped": "update_block.encoder.",
    "torchvision": "update_block.motion_encoder.",
}


def in_layout(net, sign):
    """The network's arrays under another family's names and axes, doubled norms included."""
    ours = raft.to_arrays(net.params)
    arrays = {}
    for theirs, module in module_table([sign], net.config).items():
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            path = destination(f"{theirs}.{leaf}", {theirs: module})
            if path in ours:
                value = ours[path]
                arrays[f"{theirs}.{leaf}"] = (
                    value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
                )
        if module.endswith(".norm") and f"{module}.mean" in ours:
            arrays[f"{theirs}.num_batches_tracked"] = np.array(7)
    return arrays


def same(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


@pytest.fixture(scope="module")
def nets(random_arrays):
    return {
        "small": build(random_arrays("raft-small")),
        "large": build(random_arrays("raft-sintel")),
    }


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS.keys())
def test_there_and_back(nets, size, sign):
    net = nets[size]
    arrays = in_layout(net, sign)
    again = build(arrays)
    assert again.config == net.config
    assert same(again.params, net.params)


@pytest.mark.parametrize("size", ["small", "large"])
def test_our_own_layout(nets, size):
    assert same(build(raft.to_arrays(nets[size].params)).params, nets[size].params)


def test_published_names_are_all_known(nets):
    """A few names as they stand in the published files, and the number of arrays in each."""
    small = in_layout(nets["small"], SIGNS["princeton"])
    large = in_layout(nets["large"], SIGNS["princeton"])
    assert (len(small), len(large)) == (106, 179)
    assert small["module.fnet.layer2.0.downsample.0.weight"].shape == (64, 32, 1, 1)
    assert large["module.cnet.layer3.0.norm3.running_var"].shape == (128,)
    assert large["module.update_block.gru.convq2.weight"].shape == (128, 384, 5, 1)
    assert large["module.update_block.mask.2.bias"].shape == (576,)


def test_all_faults_are_listed_in_one_error(nets):
    arrays = in_layout(nets["large"], SIGNS["princeton"])
    arrays["module.extra.weight"] = np.zeros(3, np.float32)
    arrays["module.fnet.conv1.gamma"] = np.zeros(3, np.float32)
    del arrays["module.cnet.conv2.bias"]
    arrays["module.fnet.conv1.weight"] = np.zeros((64, 4, 7, 7), np.float32)
    arrays["module.cnet.layer2.0.norm3.bias"] = np.full(96, 5, np.float32)
    with pytest.raises(ValueError, match="do not fit RAFT large") as caught:
        build(arrays)
    faults = str(caught.value).splitlines()[1:]
    assert len(faults) == 5
    text = "\n".join(faults)
    assert "module.extra.weight: no parameter has this name" in text
    assert "module.fnet.conv1.gamma: no parameter has this name" in text
    assert "context.head.bias: no array fills this parameter" in text
    assert "module.fnet.conv1.weight: shape (64, 4, 7, 7), expected (64, 3, 7, 7)" in text
    assert "should be a copy" in text


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (np.float32("nan"), "NaN or infinite numbers"),
        (np.float32("-inf"), "NaN or infinite numbers"),
        (1e300, "NaN or infinite numbers"),
        (3, "int64"),
        (True, "bool"),
        (1j, "complex128"),
    ],
)
@pytest.mark.parametrize("sign", ["update.", *SIGNS.values()], ids=["our own", *SIGNS])
def test_what_is_no_finite_float_is_refused_by_name(nets, sign, bad, said):
    net = nets["large"]
    arrays = raft.to_arrays(net.params) if sign == "update." else in_layout(net, sign)
    name = next(name for name in arrays if name.endswith(("variance", "running_var")))
    arrays[name] = np.full(arrays[name].shape, bad)
    with pytest.raises(ValueError, match="expected finite floats") as caught:
        build(arrays)
    assert str(caught.value) == f"{name}: holds {said}; expected finite floats"


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"no RAFT weights.*unet\.conv"):
        build({"unet.conv": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match=r"no RAFT weights.*none"):
        build({})


def test_shapes_are_told_in_the_files_own_axes():
    assert their_axes((7, 5, 3, 64)) == (64, 3, 7, 5)
    assert their_axes((64,)) == (64,)
