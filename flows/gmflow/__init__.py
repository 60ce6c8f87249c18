"""GMFlow, the optical flow network of Xu et al. (CVPR 2022, arXiv 2111.13680), in Flax NNX.

Flow by global matching: a transformer enhances the features of both images, each with the other's,
and every pixel is compared with all others. The published weights then refine the flow once, at a
quarter of the image's size.

gmflow = flows.gmflow.load("gmflow")
source = gmflow.features(gmflow.params, first)        # once
flow = gmflow.flow_from(gmflow.params, source, second)
"""

from flows.gmflow.config import REFINED, SINGLE, Config, Scale
from flows.gmflow.convert import build
from flows.gmflow.layouts import owns
from flows.gmflow.model import GMFlow, Network, Params, Source
from flows.gmflow.weights import NAMES, find, load

__all__ = [
    "NAMES",
    "REFINED",
    "SINGLE",
    "Config",
    "GMFlow",
    "Network",
    "Params",
    "Scale",
    "Source",
    "build",
    "find",
    "load",
    "owns",
]
