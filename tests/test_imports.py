"""Imports go one way: experiments → mg_jax → flows; heavy packages load only where they serve."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("mg_jax", "flows", "experiments")
CORE = ("types", "schedule", "noise", "kernel", "sample", "energies", "prompting", "inversion")
NETWORKS = (
    "mg_jax.models",
    "mg_jax.nn",
    "flows.gmflow",
    "flows.networks",
    "flows.raft",
    "flows.nn",
    "flax",
)
OTHERS = ("clip", "stable_diffusion", "text")  # models besides the patch model
HEAVY = ("torch", "torchvision", "diffusers", "transformers")
LAZY_HEAVY = {  # readers of .pth and .ckpt, and what runs the reference: inside a function
    "experiments/benchmarks/pytorch_parts.py",
    "experiments/pytorch_networks.py",
    "experiments/pytorch_reference.py",
    "experiments/pytorch_setup.py",
    "experiments/pytorch_baseline.py",
    "flows/files/pytorch.py",
    "flows/raft/weights.py",
    "mg_jax/checkpoints/arrays.py",
}


class Import(NamedTuple):
    name: str  # what is imported, dotted; for `from a import b` both "a" and "a.b"
    lazy: bool  # inside a function
    relative: bool


def imports(tree: ast.AST, lazy: bool = False) -> Iterator[Import]:
    """Every import statement below a node."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, lazy, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield Import(module, lazy, node.level > 0)
            for alias in node.names:
                yield Import(f"{module}.{alias.name}", lazy, node.level > 0)
        else:
            function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, lazy or function)


def read(path: Path) -> list[Import]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8"))))


FILES = {
    str(path.relative_to(ROOT)): read(path)
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def offenders(package: str, forbidden: tuple[str, ...]) -> dict[str, list[str]]:
    """Files of a package that import what they may not."""
    found = {
        file: [one.name for one in names if within(one.name, forbidden)]
        for file, names in FILES.items()
        if file.startswith(f"{package}/")
    }
    assert found, f"no files under {package}"
    return {file: names for file, names in found.items() if names}


def test_the_walk_sees_every_kind_of_import():
    source = """
import a.b as c
from d import e
from . import f
def outer():
    import g
    class Inner:
        from h.i import j
if True:
    import k
"""
    assert list(imports(ast.parse(source))) == [
        Import("a.b", False, False),
        Import("d", False, False),
        Import("d.e", False, False),
        Import("", False, True),
        Import(".f", False, True),
        Import("g", True, False),
        Import("h.i", True, False),
        Import("h.i.j", True, False),
        Import("k", False, False),
    ]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("flows", ("mg_jax", "experiments")),
        ("mg_jax", ("experiments",)),
        ("mg_jax/checkpoints", ("mg_jax.models", "mg_jax.nn")),
        ("mg_jax/models/text", ("mg_jax.models.clip", "mg_jax.models.stable_diffusion")),
        ("mg_jax/models/clip", ("mg_jax.models.stable_diffusion",)),
        ("mg_jax/models/stable_diffusion", ("mg_jax.models.clip",)),
        ("mg_jax/models/patch", tuple(f"mg_jax.models.{one}" for one in OTHERS)),
    ],
)
def test_imports_go_one_way(package, forbidden):
    assert offenders(package, forbidden) == {}


@pytest.mark.parametrize(
    ("package", "allowed"), [("flows/nn", ("flows.nn",)), ("mg_jax/nn", ("flows.nn", "mg_jax.nn"))]
)
def test_layers_know_no_network_that_is_built_of_them(package, allowed):
    of_ours = {
        (file, one)
        for file, names in offenders(package, PACKAGES).items()
        for one in names
        if not within(one, allowed)
    }
    assert of_ours == set()


def test_no_module_imports_itself_through_others():
    needs = {file: modules(ast.parse((ROOT / file).read_text(encoding="utf-8"))) for file in FILES}
    assert needs["mg_jax/nn/attention/dispatch.py"] == {
        f"mg_jax/nn/attention/{form}.py" for form in ("blocked", "cudnn", "tpu")
    }
    graphlib.TopologicalSorter(needs).prepare()  # raises with the circle, if there is one


def test_nothing_outside_the_tests_imports_the_tests():
    assert [file for package in PACKAGES for file in offenders(package, ("tests",))] == []


def test_imports_are_absolute():
    assert [file for file, names in FILES.items() if any(one.relative for one in names)] == []


def test_heavy_packages_are_imported_only_in_functions_of_the_readers_of_their_files():
    heavy = {
        (file, one.lazy)
        for file, names in FILES.items()
        for one in names
        if within(one.name, HEAVY)
    }
    assert {file for file, lazy in heavy if not lazy} == set()
    assert {file for file, _ in heavy} <= LAZY_HEAVY


def test_importing_the_package_waits_for_nothing_that_few_edits_need():
    late = ("cv2", "huggingface_hub", "matplotlib", "orbax", "skimage", *HEAVY)
    code = f"import mg_jax, sys; print(*(name for name in {late} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")


def test_the_readers_that_may_import_torch_are_there():
    assert set(FILES) >= LAZY_HEAVY


def module_file(name: str) -> str | None:
    """The file of one of our modules, None for a name that is no module of ours."""
    stem = name.replace(".", "/")
    return next((file for file in (f"{stem}.py", f"{stem}/__init__.py") if file in FILES), None)


def modules(tree: ast.Module) -> set[str]:
    """Our files that a module imports; a package itself only where names of its own are meant."""
    names = [one for node in ast.walk(tree) for one in named(node)]
    return {file for file in names if file is not None}


def named(node: ast.AST) -> Iterator[str | None]:
    if isinstance(node, ast.Import):
        yield from (module_file(alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            yield module_file(f"{node.module}.{alias.name}") or module_file(node.module)


def reached(file: str) -> dict[str, list[Import]]:
    """Our files that a file reaches through imports, itself included."""
    found: dict[str, list[Import]] = {}
    waiting = [file]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found[current] = FILES[current]
            following = (module_file(one.name) for one in FILES[current])
            waiting += [other for other in following if other is not None]
    return found


@pytest.mark.parametrize("module", CORE)
def test_the_core_reaches_no_network_and_no_flax(module):
    graph = reached(f"mg_jax/{module}.py")
    networks = {
        (file, one.name)
        for file, names in graph.items()
        for one in names
        if within(one.name, NETWORKS)
    }
    assert networks == set()


def test_the_walk_follows_imports_from_file_to_file():
    assert "flows/geometry.py" in reached("mg_jax/energies.py")
    assert "mg_jax/types.py" in reached("mg_jax/sample.py")
    assert any(within(one.name, NETWORKS) for one in FILES["flows/raft/model.py"])
