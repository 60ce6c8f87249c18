"""Fill in what pages take from the code, so that they cannot become wrong.

A line of a page that is one of these comments is replaced:

    <!-- code mg_jax/kernel.py build.step.recursion -->   the source of a function
    <!-- settings patch -->                               the fields of a settings class
    <!-- flags edit -->                                   a program's help
"""

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mg_jax import settings
from mg_jax.models.patch.settings import PatchSettings
from mg_jax.models.stable_diffusion.settings import PRESETS

ROOT = Path(__file__).parents[2]
DIRECTIVE = re.compile(r"^<!-- (code|settings|flags) (.+) -->$", re.MULTILINE)
# The settings of each model, by the name of their column.
SETTINGS: Mapping[str, Mapping[str, settings.Settings]] = {
    "patch": {"default": PatchSettings()},
    "stable_diffusion": {name: make() for name, make in PRESETS.items()},
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the directives of a page; called by mkdocs."""
    make: Mapping[str, Callable[..., str]] = {
        "code": code,
        "settings": settings_table,
        "flags": flags,
    }
    return DIRECTIVE.sub(lambda found: make[found[1]](*found[2].split()), markdown)


def code(path: str, name: str) -> str:
    """Show the source of a function or class, dotted where it is inside another.

    Raises:
        ValueError: the file has no such function.
    """
    text = (ROOT / path).read_text(encoding="utf-8")
    node: ast.AST = ast.parse(text)
    for part in name.split("."):
        inside = [found for found in ast.walk(node) if getattr(found, "name", None) == part]
        if not inside:
            raise ValueError(f"{path}: has no {name}; expected a function or class of that name")
        node = inside[0]
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    shown = textwrap.dedent("\n".join(lines))
    return f'```py title="{path}"\n{shown}\n```'


def settings_table(model: str) -> str:
    """List every field of a model's settings, with its default in each preset."""
    presets = SETTINGS[model]
    listed = {preset: settings.fields(values) for preset, values in presets.items()}
    rows = []
    for fields in zip(*listed.values(), strict=True):
        field = fields[0]
        first = next(iter(presets.values()))
        ranges = {
            "size": f"{_span(first.SIZES)}, multiples of {first.SIZES.step}",
            "steps": _span(first.STEPS),
        }
        allowed = ", ".join(f"`{choice}`" for choice in field.choices)
        allowed = allowed or ranges.get(field.name, "")
        values = [_shown(one.default) for one in fields]
        rows.append([f"`{field.name}`", field.help, *values, allowed or field.kind.__name__])
    return _table(["field", "what", *presets, "values"], rows)


def flags(program: str) -> str:
    """Show a program's help: its text, and a table of its own flags.

    Raises:
        ValueError: the program does not tell its flags.
    """
    command = [sys.executable, "-m", f"experiments.{program}", "--helpxml"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        root = ElementTree.fromstring(run.stdout)
    except ElementTree.ParseError as error:
        raise ValueError(f"experiments.{program}: tells no flags: {run.stderr[-300:]}") from error
    rows = []
    for flag in root.iter("flag"):
        if flag.findtext("key") != "yes":
            continue
        choices = ", ".join(f"`{value.text}`" for value in flag.iter("enum_value"))
        default = (flag.findtext("default") or "").removeprefix(f"{ROOT}/")
        kind = (flag.findtext("type") or "").removeprefix("comma separated ")
        rows.append(
            [
                f"`--{flag.findtext('name')}`",
                " ".join((flag.findtext("meaning") or "").split()),
                _shown(None if default in ("", "None") else default),
                choices or kind,
            ]
        )
    usage = (root.findtext("usage") or "").strip()
    return f"```text\n{usage}\n```\n\n{_table(['flag', 'what', 'default', 'values'], rows)}"


def _span(values: range) -> str:
    return f"{values[0]} to {values[-1]}"


def _shown(value: object) -> str:
    """A default in a table; an open one is the model's own, or none."""
    if value is None:
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return ", ".join(f"`{part}`" for part in text.split(","))


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    table = "\n".join(f"| {' | '.join(line)} |" for line in cells)
    return f'<div class="from-code" markdown>\n\n{table}\n\n</div>'
