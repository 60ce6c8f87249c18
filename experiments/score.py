"""Score an edited photo with the ruler of `mg_jax.metrics`, by a judge that did not guide it.

    python -m experiments.fetch_weights --name=raft-sintel
    python -m experiments.score --source=photo.png --result=out/edit/edited.png --flow=flow.npz

Prints a line of JSON; a few seconds for 512 x 512 pixels on two CPU cores.
"""

import json

import numpy as np
from absl import flags

from experiments import command, reading
from flows import files, networks
from flows.motion import Motion
from mg_jax import checking, images, metrics

_source = flags.DEFINE_string("source", None, "The photo before the edit.", required=True)
_result = flags.DEFINE_string("result", None, "The photo after it.", required=True)
_asked = flags.DEFINE_string("flow", None, "File of the flow asked for.", required=True)
_judge = flags.DEFINE_string("judge", "raft-sintel", "Flow network: a name or a file.")


def main() -> None:
    """Read, measure, print."""
    source, result = images.read(_source.value), images.read(_result.value)
    flow = files.read(_asked.value)
    for name, shape in ((_result.value, result.shape), (_asked.value, flow.shape)):
        if shape[:2] != source.shape[:2]:
            raise ValueError(
                f"{name}: {shape[1]}x{shape[0]}; expected {source.shape[1]}x{source.shape[0]},"
                f" the size of {_source.value}"
            )
    with reading.named({"image": _source.value, "flow": _asked.value}):
        checking.image(source)
        checking.flow(flow, source.shape[:2])
    judge = networks.load(_judge.value)
    estimate = metrics.flow_between(judge, source, result)
    motion = Motion(flow)
    judged = metrics.measurable(judge, source, motion)
    everywhere = np.ones(flow.shape[:2], bool)
    scores = metrics.measure(source, result, motion, everywhere, estimate, judged)
    del scores["kept_l1"]  # of an edit region that a picture does not tell
    print(json.dumps(scores))


if __name__ == "__main__":
    command.run(main)
