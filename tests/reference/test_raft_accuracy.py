"""The end-point error of RAFT on a real pair with measured ground truth.

    pytest -s -o addopts=--import-mode=importlib tests/reference/test_raft_accuracy.py

The Middlebury 2014 motorcycle pair, 741×500, as scikit-image ships it, 20 updates. Measured:
1.887 px with the shipped raft-small, 1.160 px with raft-sintel (medians 0.574 and 0.323 px). Takes
half a minute and the downloads, 60 MB.
"""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from flows import raft


@pytest.mark.parametrize(("name", "limit"), [("raft-small", 2.0), ("raft-sintel", 1.2)])
def test_end_point_error_on_the_motorcycle_pair(motorcycle, published, name, limit):
    left, right = (
        np.asarray(Image.open(io.BytesIO(motorcycle[f"motorcycle_{side}.png"])).convert("RGB"))
        for side in ("left", "right")
    )
    disparity = np.load(io.BytesIO(motorcycle["motorcycle_disp.npz"]))["arr_0"]
    known = np.isfinite(disparity)
    assert left.shape == (*disparity.shape, 3)

    net = raft.load("raft-small" if name == "raft-small" else str(published(name)))
    pair = [jnp.asarray(image[None] / np.float32(127.5) - 1) for image in (left, right)]
    flow = np.asarray(jax.jit(net.flow, static_argnames="updates")(net.params, *pair, updates=20))
    error = np.hypot(flow[0, ..., 0] + disparity, flow[0, ..., 1])[known]
    print(f"{name}: end-point error {error.mean():.3f} px, median {np.median(error):.3f} px")
    assert error.mean() <= limit
