"""RAFT, the optical flow network of Teed & Deng (ECCV 2020, arXiv 2003.12039), in Flax NNX.

raft = flows.raft.load("raft-small")
source = raft.features(raft.params, first)        # once
flow = raft.flow_from(raft.params, source, second, updates=5)
"""

from flows.raft.config import LARGE, SMALL, SMALLEST, Config
from flows.raft.convert import build, to_arrays
from flows.raft.model import Params, Raft, Source
from flows.raft.norms import Statistics
from flows.raft.weights import NAMES, find, load, read

__all__ = [
    "LARGE",
    "NAMES",
    "SMALL",
    "SMALLEST",
    "Config",
    "Params",
    "Raft",
    "Source",
    "Statistics",
    "build",
    "find",
    "load",
    "read",
    "to_arrays",
]
