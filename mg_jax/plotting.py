"""Figures by matplotlib, an optional dependency: import this module only when one is needed."""

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from mg_jax.history import History


def figure(overview: UInt8[np.ndarray, "_ _ 3"], history: History) -> Figure:
    """Plot the overview, and below it the first sample's energy, terms and guidance norm."""
    height, width, _ = overview.shape
    drawn = Figure(figsize=(10, 10 * height / width + 3), layout="constrained")
    above, below = drawn.subplots(2, 1, height_ratios=[10 * height / width, 3])
    above.imshow(overview)
    above.set_axis_off()
    lines = {"energy": history.energy, **history.terms, "guidance norm": history.guidance_norm}
    for name, values in lines.items():
        if values.size:
            below.plot(values[:, 0], label=name, linewidth=1)
    below.set_xlabel("evaluation")
    below.set_yscale("log")
    if below.lines:
        below.legend()
    return drawn
