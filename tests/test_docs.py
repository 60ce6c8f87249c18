"""The pages' code runs: what they say that can be done can be done."""

import re
from pathlib import Path

import pytest

from flows.motions import MOTIONS

ROOT = Path(__file__).parents[1]


def code(page):
    """The page's Python, its lines where they stand in the page, so that errors name them."""
    lines, inside = [], False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = line == "```python" if fence and not inside else inside and not fence
    return "\n".join(lines)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:the flow network sees")  # a swirl, which it cannot judge
def test_extending(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    names = {"__name__": "page"}
    try:
        exec(compile(code("docs/extending.md"), "docs/extending.md", "exec"), names)
    finally:
        MOTIONS.pop("swirl", None)
    printed = capsys.readouterr().out
    results = re.findall(r"Result\(192x128, 1 sample, (\w+), seed 0: ", printed)
    assert results == ["patch", "gaussian", "patch"]
    assert "sampling 6/6" in printed
    assert len(names["film"]) == 6
    off = names["result"].metrics["flow_epe_moved_px"]
    assert off < 10  # of 34: the energy of the page's own brings the cup there
    assert names["guided"].metrics["color_l1_moved"] < 0.1  # .3 of the photo as it was
    assert set(names["result"].history.terms) >= {"flow", "squares", "darker"}


@pytest.mark.parametrize("page", ["docs/extending.md"])
def test_a_page_has_code_and_no_block_is_lost(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text.count("```python") == len(re.findall(r"^```python$", text, re.MULTILINE)) > 0
    assert text.count("```") == 2 * text.count("```python")
