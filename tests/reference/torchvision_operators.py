"""Declare what the package index's torchvision needs before it can be imported.

It is built for CUDA: with a CPU torch its compiled operators do not load, and it does not even
import before two of them are declared. Nothing here uses them. Where they do load, declaring them
first would abort the process.
"""

import torch

if torch.version.cuda is None:
    LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        LIBRARY.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
