"""The pages' code runs, their commands and links exist: what they say can be done can be done."""

import ast
import dataclasses
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from flows import files
from flows.motions import MOTIONS
from mg_jax import images, metrics
from mg_jax.models.patch.model import Patch
from mg_jax.models.patch.settings import PatchSettings
from mg_jax.models.stable_diffusion.settings import StableDiffusionSettings

from .mg_jax.models.stable_diffusion import published
from .programs import program

ROOT = Path(__file__).parents[1]
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
TEXTS = ["README.md", "CONTRIBUTING.md", "WORKSPACE_NOTES.md", *PAGES]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Flags of other programs: pip, pytest, mkdocs, gcloud.
OTHERS = {"help", "quiet", "dist", "worker"}


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def code(page):
    """The page's Python, its lines where they stand in the page, so that errors name them."""
    lines, inside = [], False
    for line in read(page).splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = line == "```python" if fence and not inside else inside and not fence
    return "\n".join(lines)


def run(page, text):
    names = {"__name__": "page"}
    exec(compile(text, page, "exec"), names)
    return names


WITH_CODE = [page for page in ("README.md", *PAGES) if code(page).strip()]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:the flow network sees")  # a swirl, which it cannot judge
def test_extending(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    try:
        names = run("docs/extending.md", code("docs/extending.md"))
    finally:
        MOTIONS.pop("swirl", None)
    printed = capsys.readouterr().out
    results = re.findall(r"Result\(192x128, 1 sample, (\w+), seed 0: ", printed)
    assert results == ["patch", "gaussian", "patch"]
    watched = re.findall(r"^(sampling) (\d)/\d$", printed, re.MULTILINE)
    assert [("sampling", str(done + 1)) for done in range(6)] == watched[:6]
    assert len(names["film"]) == len(watched)
    off = names["result"].metrics["flow_epe_moved_px"]
    assert off < 10  # of 34: the energy of the page's own brings the cup there
    assert names["guided"].metrics["color_l1_moved"] < 0.1  # .3 of the photo as it was
    assert set(names["result"].history.terms) >= {"flow", "squares", "darker"}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with all files that pages name, small; the patch model's defaults are small, too."""
    data = ROOT / "experiments" / "data"
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    photo = images.read(data / "coffee.png")
    images.write(tmp_path / "photo.jpg.png", photo)
    (tmp_path / "photo.jpg.png").rename(tmp_path / "photo.jpg")
    flow = np.zeros((*photo.shape[:2], 2), np.float32)
    flow[100:300, 150:400, 0] = 40
    files.write(tmp_path / "flow.npz", flow)
    for name in "ab":
        (tmp_path / f"{name}.jpg").symlink_to(tmp_path / "photo.jpg")
        (tmp_path / f"{name}.npz").symlink_to(tmp_path / "flow.npz")
    drawn = published.tame(published.FIRST)
    (tmp_path / "weights" / "sd14").mkdir(parents=True)
    published.folder(tmp_path / "weights" / "sd14", published.FIRST, drawn)
    published.single(tmp_path / "wd-1-4.safetensors", published.FIRST, drawn)
    vae = published.named(published.FIRST, drawn)["vae"]
    safetensors.numpy.save_file(vae, tmp_path / "vae.safetensors")
    monkeypatch.setattr(metrics, "LARGEST_AREA", 128 * 192)
    monkeypatch.setattr(Patch, "settings", PatchSettings(size=256, steps=4, recursions=1))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::mg_jax.EditWarning")  # small and drawn: nothing arrives
@pytest.mark.parametrize("page", [page for page in WITH_CODE if page != "docs/extending.md"])
def test_the_code_of_a_page_runs(page, small):
    text = code(page)
    # With what the page says a run of tiny networks would take hours, too.
    text = text.replace(
        "steps=100, recursions=4", 'size=128, steps=1, recursions=1, source="noised"'
    )
    names = run(page, text)
    result = names.get("result")
    if result is not None:
        assert (result.image != result.source).any()
        assert result.metrics["kept_l1"] == 0
    if (small / "out").exists():
        assert any((small / "out").rglob("*.*"))
    if "film" in names:
        assert (small / "film.webp").stat().st_size > 0
    if "results" in names:
        assert [one.settings["steps"] for one in names["results"]] == [1, 1]


@pytest.mark.parametrize("page", WITH_CODE)
def test_the_code_of_a_page_is_python_and_no_block_is_lost(page):
    text = read(page)
    ast.parse(code(page))
    blocks = FENCE.findall(text)
    assert text.count("```") == 2 * len(blocks)
    assert {language for language, _ in blocks} <= {"", "python"}


@pytest.fixture(scope="module")
def flags():
    """The flags of each program, by its name."""
    known = {}

    def of(name):
        if name not in known:
            shown = program(f"experiments.{name}", "--helpxml")
            known[name] = set(re.findall(r"<name>(\w+)</name>", shown.stdout))
            assert known[name], shown.stderr
        return known[name]

    return of


def programs():
    """The modules and packages of `experiments` that can be run."""
    run, folder = 'if __name__ == "__main__":', ROOT / "experiments"
    modules = {path.stem for path in folder.glob("*.py") if run in path.read_text()}
    return modules | {path.parent.name for path in folder.glob("*/__main__.py")}


@pytest.mark.parametrize("page", TEXTS)
def test_commands_of_a_page_name_programs_and_flags_that_exist(page, flags):
    blocks = [text for language, text in FENCE.findall(read(page)) if language != "python"]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    for line in lines:
        for name, rest in re.findall(r"-m experiments\.(\w+)(.*)", line):
            asked = set(re.findall(r"(?<!\S)--(\w+)", rest))
            assert asked <= flags(name) | OTHERS, line
    assert set(re.findall(r"-m experiments\.(\w+)", read(page))) <= programs()


def test_flags_that_pages_mention_exist(flags):
    names = re.findall(r"^## experiments\.(\w+)", read("docs/reference/programs.md"), re.MULTILINE)
    assert set(names) == programs()
    known = set().union(*map(flags, names)) | OTHERS
    for page in TEXTS:
        asked = set(re.findall(r"`--(\w+)", read(page)))
        assert asked <= known, page


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "WORKSPACE_NOTES.md"])
def test_links_lead_somewhere(page):
    links = re.findall(r'\]\((?!https?:)([^)#]*)#?([^)]*)\)|src="([^"#]+)()"', read(page))
    for path, anchor, source, _ in links:
        assert (ROOT / (path or source or page)).exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.+)$", read(path or page), re.MULTILINE)
            slugs = [re.sub(r"[^\w]+", "-", heading.lower()).strip("-") for heading in headings]
            assert anchor in slugs


@pytest.mark.parametrize("page", TEXTS)
def test_files_of_the_code_that_pages_mention_exist(page):
    folders = ("mg_jax", "flows", "experiments", "tests", "docs")
    have = [f"/{path.relative_to(ROOT)}" for one in folders for path in (ROOT / one).rglob("*.*")]
    for path in re.findall(r"`([\w/]+/\w+\.(?:py|md))`", read(page)):
        assert any(one.endswith(f"/{path}") for one in have), path


@pytest.fixture(scope="module")
def from_code():
    """The hook of the site that fills in what pages take from the code."""
    place = ROOT / "docs" / "hooks" / "from_code.py"
    spec = importlib.util.spec_from_file_location("from_code", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_show_code_that_exists(from_code):
    shown = 0
    for page in PAGES:
        for kind, what in from_code.DIRECTIVE.findall(read(page)):
            if kind == "code":
                path, name = what.split()
                assert f"def {name.split('.')[-1]}(" in from_code.code(path, name)
                shown += 1
    assert shown > 5
    with pytest.raises(ValueError, match=r"kernel\.py: has no build\.nowhere"):
        from_code.code("mg_jax/kernel.py", "build.nowhere")


@pytest.mark.parametrize(
    ("model", "kind"), [("patch", PatchSettings), ("stable_diffusion", StableDiffusionSettings)]
)
def test_every_field_of_the_settings_is_described(from_code, model, kind):
    rows = from_code.on_page_markdown(f"<!-- settings {model} -->").splitlines()
    rows = [row for row in rows if row.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [field.name for field in dataclasses.fields(kind)]
    assert len({row.count(" | ") for row in rows}) == 1
    assert all(re.fullmatch(r".{10,}\.", row.split(" | ")[1]) for row in rows)


def test_flags_are_shown_with_their_help(from_code):
    shown = from_code.on_page_markdown("<!-- flags score -->")
    assert shown.startswith("```text\nScore an edited photo")
    assert re.search(r"^\| `--judge` \| .+\. \| `raft-sintel` \| string \|$", shown, re.MULTILINE)
    assert str(ROOT) not in shown
