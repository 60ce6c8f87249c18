"""Expand patterns of the navigation: `notebooks/*.ipynb` stands for the files that match."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Replace the patterns; called by mkdocs. One that no file matches leaves nothing."""
    config.nav = _expanded(config.nav, Path(config.docs_dir))
    return config


def _expanded(entries: list[Any], folder: Path) -> list[Any]:
    result: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            ((title, inside),) = entry.items()
            inside = _expanded(inside, folder) if isinstance(inside, list) else inside
            if inside:
                result.append({title: inside})
        elif "*" in entry:
            result.extend(str(path.relative_to(folder)) for path in sorted(folder.glob(entry)))
        else:
            result.append(entry)
    return result
