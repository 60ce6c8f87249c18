"""The notebooks run from a fresh kernel, and what is stored in them can be read without running."""

import ast
import importlib
import itertools
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

from .executing import executed, stored

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 600_000  # bytes of a file

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def kinds(notebook):
    """The kinds of output of each cell; a picture is one, in whichever format it is stored."""
    return [
        [
            output.get("name") or sorted({kind.split("/")[0] for kind in output.data})
            for output in cell.get("outputs", [])
        ]
        for cell in notebook.cells
    ]


def imported(tree):
    """The modules, and what is taken from modules, by the name that a notebook gives them."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = importlib.import_module(alias.name)
                top = importlib.import_module(alias.name.partition(".")[0])
                names[alias.asname or top.__name__] = module if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                names[alias.asname or alias.name] = getattr(module, alias.name)
    return names


def found(node, names):
    """What `a.b.c` is if `a` is imported and `a.b` a module; names that a module lacks raise."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = found(node.value, names)
        return getattr(owner, node.attr) if isinstance(owner, ModuleType) else None
    return None


def test_each_has_a_number():
    numbers = [path.stem[:3] for path in NOTEBOOKS]
    assert len(set(numbers)) == len(numbers) > 0
    assert all(re.fullmatch(r"\d\d_", number) for number in numbers)


@each
def test_it_was_run_whole_and_in_order(path):
    nbformat.validate(nbformat.read(path, 4))
    code = cells(path)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    pictures = [
        kind for output in outputs for kind in output.get("data", {}) if kind.startswith("image/")
    ]
    assert len(pictures) >= 2


@each
def test_it_says_nothing_of_the_machine_that_ran_it(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) <= LARGEST
    assert not re.findall(r"/(?:tmp|home|root|work|Users|usr|var)/\w+|ipykernel_\d+", text)
    assert set(nbformat.read(path, 4).metadata) == {"kernelspec", "language_info"}


@each
def test_all_that_its_code_imports_and_names_exists(path):
    tree = ast.parse("\n".join(cell.source for cell in cells(path)))
    names = imported(tree)
    assert "mg_jax" in names or "flows" in {
        value.__name__.partition(".")[0] for value in names.values()
    }
    for node in ast.walk(tree):
        found(node, names)


@each
def test_each_cell_is_introduced(path):
    all_cells = nbformat.read(path, 4).cells
    assert all_cells[0].source.startswith("# ")
    for before, cell in itertools.pairwise(all_cells):
        assert cell.cell_type == "markdown" or before.cell_type == "markdown"


@each
def test_its_links_lead_somewhere(path):
    for cell in cells(path, "markdown"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", cell.source):
            assert (FOLDER / target).exists(), target


@pytest.mark.long
@each
def test_it_runs_and_makes_the_outputs_that_are_stored(path):
    assert kinds(stored(executed(path))) == kinds(nbformat.read(path, 4))


def test_a_wrong_name_of_a_module_would_be_seen():
    tree = ast.parse("import mg_jax\nmg_jax.edits")
    with pytest.raises(AttributeError, match="edits"):
        [found(node, imported(tree)) for node in ast.walk(tree)]
