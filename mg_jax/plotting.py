"""Figures by matplotlib, an optional dependency: import this module only when one is needed."""

import io

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from mg_jax.history import History


class Plot(Figure):
    """A figure that Jupyter shows without pyplot, too, which teaches it only its own figures."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()


def figure(overview: UInt8[np.ndarray, "_ _ 3"], history: History) -> Plot:
    """Plot the overview, and below it the first sample's energy, terms and guidance norm."""
    height, width, _ = overview.shape
    drawn = Plot(figsize=(10, 10 * height / width + 3), layout="constrained")
    above, below = drawn.subplots(2, 1, height_ratios=[10 * height / width, 3])
    above.imshow(overview)
    above.set_axis_off()
    lines = {"energy": history.energy, **history.terms, "guidance norm": history.guidance_norm}
    for name, values in lines.items():
        if values.size:  # what is not computed at a level is 0 there, which has no logarithm
            computed = np.where(values[:, 0] > 0, values[:, 0], np.nan)
            below.plot(computed, label=name, linewidth=1)
    below.set_xlabel("evaluation")
    below.set_yscale("log")
    if below.lines:
        below.legend()
    return drawn
