"""Flows from motions in words: `translate dx=150`, `rotate degrees=30; translate dy=-20`.

flow = motions.field(motions.parse("rotate degrees=30"), mask)
share = motions.leaving(flow, mask)

A motion is a name with `parameter=value` pairs; several, separated by `;`, are done one after the
other. Values are numbers, or points `x,y/x,y/...`. Positions and lengths are in pixels, x right, y
down; angles in degrees, counter-clockwise as seen on the screen.
"""

from flows.motions.fields import field, leaving, order, together
from flows.motions.registry import MOTIONS
from flows.motions.words import MotionSpec, Step, parse, say

__all__ = ["MOTIONS", "MotionSpec", "Step", "field", "leaving", "order", "parse", "say", "together"]
