"""Execute notebooks, and store their output small.

    python -m tests.docs.executing docs/notebooks/01_first_edit.ipynb

Each runs from a fresh kernel in a folder of its own, which is removed. What is stored says nothing
of the machine and of the time: no times, no widgets, and each picture once, as PNG or JPEG,
whichever is smaller.
"""

import base64
import io
import sys
import tempfile
import time
from pathlib import Path

import nbclient
import nbformat
from nbformat import NotebookNode
from PIL import Image

_PICTURES = ("image/png", "image/jpeg")
_WIDGET = "application/vnd.jupyter.widget-view+json"  # a progress bar
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def executed(path: Path, seconds: int = 600) -> NotebookNode:
    """Run all cells of a notebook; the first error raises nbclient's CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        where = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=seconds, resources=where).execute()
    return notebook


def stored(notebook: NotebookNode) -> NotebookNode:
    """Leave out of an executed notebook what differs from run to run."""
    notebook.metadata = NotebookNode(kernelspec=_KERNEL, language_info={"name": "python"})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = _joined([_small(one) for one in cell.outputs if not _is_bar(one)])
    return notebook


def _is_bar(output: NotebookNode) -> bool:
    return output.get("name") == "stderr" or _WIDGET in output.get("data", {})


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join what a cell has printed, which a progress bar may have cut."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _small(output: NotebookNode) -> NotebookNode:
    """Keep the smallest form of a picture."""
    data = output.get("data", {})
    if data:
        output.metadata = NotebookNode()
    if "image/png" in data:
        picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
        forms = {kind: io.BytesIO() for kind in _PICTURES}
        picture.save(forms["image/png"], "png", optimize=True)
        picture.save(forms["image/jpeg"], "jpeg", quality=75, subsampling=0)
        kind = min(_PICTURES, key=lambda name: forms[name].tell())
        for name in _PICTURES:
            data.pop(name, None)
        data[kind] = base64.b64encode(forms[kind].getvalue()).decode()
    return output


def main() -> None:
    """Execute and store the notebooks that are named."""
    for name in sys.argv[1:]:
        start = time.perf_counter()
        notebook = executed(Path(name))
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                if output.get("name") == "stderr":
                    print(f"left out: {output.text}", end="")
        notebook = stored(notebook)
        nbformat.write(notebook, name)
        size = Path(name).stat().st_size / 1000
        print(f"{name}: {time.perf_counter() - start:.0f} s, {size:.0f} kB")


if __name__ == "__main__":
    main()
