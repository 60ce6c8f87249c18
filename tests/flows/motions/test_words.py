"""Motions in words: a clear line for every slip of the pen."""

import numpy as np
import pytest

from flows import motions

from .drawing import block, field


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty; expected one of: translate [dx=] [dy=]; rotate degrees= [cx=] [cy=]"),
        (" ; ", "is empty"),
        ("spin degrees=4", "unknown motion 'spin'; expected one of: translate"),
        ("translate", "has no parameter; expected translate [dx=] [dy=]"),
        ("translate dz=4", "unknown parameter 'dz=4'; expected translate"),
        ("translate 4 5", "unknown parameter '4'"),
        ("translate dx = 4", "unknown parameter 'dx'"),
        ("translate dx=4 dx=5", "dx is given twice"),
        ("translate dx=four", "dx='four' is no number"),
        ("translate dx=", "dx='' is no number"),
        ("translate dx=nan", "dx='nan' is no number"),
        ("translate dx=inf", "dx='inf' is no number"),
        ("translate dx=-1e7", "is no number up to 1,000,000"),
        ("rotate cx=4", "degrees is missing; expected rotate degrees= [cx=] [cy=]"),
        ("scale factor=0", "factor=0; expected a factor above 0"),
        ("stretch y=-2", "y=-2; expected a factor above 0"),
        ("translate dx=4; scale", "motion 'scale': has no parameter"),
    ],
)
def test_a_slip_of_the_pen_is_named_in_one_line(text, complaint):
    with pytest.raises(ValueError, match="expected") as caught:
        motions.parse(text)
    message = str(caught.value)
    assert complaint in message
    assert message.startswith("motion ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("drag from=1,2", "to is missing; expected drag from=x,y/x,y/... to=x,y/x,y/..."),
        ("drag from=1 to=2,3", "from='1' is no point; expected x,y like 120,80"),
        ("drag from=1,2,3 to=2,3", "from='1,2,3' is no point"),
        ("drag from=1,2/ to=2,3", "from='' is no point"),
        ("drag from=1,b to=2,3", "from='b' is no number"),
        ("drag from=1,nan to=2,3", "from='nan' is no number"),
        ("drag from_=1,2 to=2,3", "unknown parameter 'from_=1,2'"),
        ("grow factor=2", "along is missing; expected grow factor= along="),
        ("grow factor=0 along=0", "factor=0; expected a factor above 0"),
        ("bend degrees=20", "along is missing; expected bend degrees= along= [cx=] [cy=]"),
    ],
)
def test_points_and_ends_are_checked_like_numbers(text, complaint):
    test_a_slip_of_the_pen_is_named_in_one_line(text, complaint)


@pytest.mark.parametrize("name", motions.MOTIONS)
def test_every_motion_gives_every_point_a_displacement(name):
    words = {
        "translate": "dx=1",
        "rotate": "degrees=9",
        "scale": "factor=2",
        "stretch": "x=2",
        "grow": "factor=2 along=90",
        "bend": "degrees=30 along=0",
        "homography": "from=0,0/50,0/50,40/0,40 to=5,3/50,0/45,40/0,36",
        "drag": "from=10,10/30,10/20,20 to=11,10/30,12/20,21",
    }
    flow = field(f"{name} {words[name]}")
    assert np.isfinite(flow).all()
    assert flow[block()].any()
