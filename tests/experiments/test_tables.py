"""Means that compare like with like, and their Markdown."""

import numpy as np
import pytest

from experiments import tables

RNG = np.random.default_rng(0)
CASES, ROWS = ("a", "b", "c"), ("ours", "theirs")


def scores(**changed):
    return {key: float(RNG.uniform(1, 9)) for key in tables.METRICS} | changed


def table():
    return {case: {row: scores() for row in ROWS} for case in CASES}


def test_means_are_numpys():
    given = table()
    (group,) = tables.means(given)
    assert group.cases == list(CASES)
    for row in ROWS:
        for key in tables.METRICS:
            expected = np.mean([given[case][row][key] for case in CASES])
            assert group.rows[row][key] == pytest.approx(expected)
    assert set(group.counts.values()) == {3}


def test_a_value_that_one_row_lacks_is_left_out_of_all():
    given = table()
    given["b"]["ours"]["psnr"] = None
    (group,) = tables.means(given)
    assert group.counts["psnr"] == 2
    for row in ROWS:
        expected = np.mean([given[case][row]["psnr"] for case in "ac"])
        assert group.rows[row]["psnr"] == pytest.approx(expected)
    assert group.counts["ssim"] == 3


def test_a_metric_that_a_row_never_has_does_not_touch_the_others():
    given = table()
    for case in CASES:
        given[case]["theirs"]["seconds"] = None
    (group,) = tables.means(given)
    assert group.rows["theirs"]["seconds"] is None
    assert group.rows["ours"]["seconds"] == pytest.approx(
        np.mean([given[case]["ours"]["seconds"] for case in CASES])
    )
    assert group.counts["seconds"] == 3


def test_a_metric_that_nobody_has_has_no_mean():
    given = {case: {row: scores(clip=None) for row in ROWS} for case in CASES}
    (group,) = tables.means(given)
    assert group.counts["clip"] == 0
    assert [group.rows[row]["clip"] for row in ROWS] == [None, None]
    assert "CLIP" not in tables.markdown(given, frozenset())


def test_a_flow_that_cannot_be_judged_is_shown_as_such():
    unknown = dict.fromkeys(tables.FLOW) | {"judged_moved": 0.1}
    given = {case: {row: scores(**(unknown if case == "b" else {})) for row in ROWS}
             for case in CASES}  # fmt: skip
    lines = tables.markdown(given, frozenset()).splitlines()
    assert lines[0] == "## Means over 3 cases; flow L1 px over 2; EPE moved px over 2"
    row = next(x for x in lines[lines.index("## b") :] if x.startswith("| ours"))
    assert [cell.strip() for cell in row.split("|")][2:5] == ["–", "–", "0.10"]
    alone = tables.markdown({"b": given["b"]}, frozenset()).splitlines()
    assert alone[0] == "## Means over 1 case; flow L1 px over 0; EPE moved px over 0"
    assert "flow L1 px" in alone[2]


def test_zero_is_a_value():
    given = {case: {row: scores(background_l1=0.0) for row in ROWS} for case in CASES}
    (group,) = tables.means(given)
    assert group.counts["background_l1"] == 3
    assert group.rows["ours"]["background_l1"] == 0


def test_a_row_of_some_cases_gets_means_of_its_own():
    given = table()
    given["a"]["reference"] = scores()
    given["c"]["reference"] = scores()
    everywhere, with_reference = tables.means(given)
    assert list(everywhere.rows) == list(ROWS)
    assert everywhere.cases == list(CASES)
    assert list(with_reference.rows) == [*ROWS, "reference"]
    assert with_reference.cases == ["a", "c"]
    for row in with_reference.rows:
        expected = np.mean([given[case][row]["flow_l1_px"] for case in "ac"])
        assert with_reference.rows[row]["flow_l1_px"] == pytest.approx(expected)


def test_the_markdown_says_every_number_and_marks_the_best():
    given = {
        "a": {
            "ours": scores(flow_l1_px=1.0, psnr=20.0, seconds=60.0),
            "theirs": scores(flow_l1_px=2.0, psnr=30.0, seconds=1.0),
            "answer": scores(flow_l1_px=0.5, psnr=None),
        }
    }
    lines = tables.markdown(given, frozenset({"answer"})).splitlines()
    assert "## Means over 1 case" in lines
    assert "## a" in lines
    columns = [cell.strip() for cell in next(x for x in lines if "flow L1" in x).split("|")]
    flow, psnr, seconds = (columns.index(title) for title in ("flow L1 px", "PSNR dB", "s"))
    cells = {
        row: [
            cell.strip() for cell in next(x for x in lines if x.startswith(f"| {row}")).split("|")
        ]
        for row in ("ours", "theirs", "answer")
    }
    assert [cells[row][flow] for row in cells] == ["**1.00**", "2.00", "0.50"]
    assert [cells[row][psnr] for row in cells] == ["20.00", "**30.00**", "–"]
    assert [cells[row][seconds] for row in ("ours", "theirs")] == ["60.0", "1.0"]


def test_a_row_beside_is_never_bold_and_does_not_keep_others_from_it():
    given = {"a": {"ours": scores(ssim=0.9), "theirs": scores(ssim=0.8)}}
    for ssim in (0.95, 0.9, 0.1):
        given["a"]["answer"] = given["a"]["ours"] | {"ssim": ssim}
        lines = tables.markdown(given, frozenset({"answer"})).splitlines()
        assert not any("**" in line for line in lines if line.startswith("| answer"))
        assert sum("**0.9000**" in line for line in lines if line.startswith("| ours")) == 2


def test_the_markdown_says_over_how_many_cases_a_metric_is():
    given = table()
    for row in ROWS:
        given["b"][row]["psnr"] = None
    heading = tables.markdown(given, frozenset()).splitlines()[0]
    assert heading == "## Means over 3 cases; PSNR dB over 2"
