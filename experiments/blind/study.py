"""A study on disk: the pairs as pictures, the page that asks about them, and the key elsewhere."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from experiments.blind import key as keys
from experiments.blind.key import Key, Pair
from experiments.blind.results import Results
from flows import draw, files
from mg_jax import cases, images

QUESTION = (
    "Which is the better edit: did it move as asked, is it whole and natural,"
    " is the rest unchanged?"
)

_PAGE = Path(__file__).parent / "study.html"
_INK, _PAPER = (38, 42, 51), (255, 255, 255)

Picture = UInt8[np.ndarray, "_ _ 3"]


def check_places(out: Path, key: Path) -> None:
    """Find out, before any work, whether a study and its key can go where they shall.

    Raises:
        ValueError: one exists already (viewers may have it), or the key lies in the study, which
            is handed out.
    """
    for flag, path in (("out", out), ("key", key)):
        if path.exists():
            raise ValueError(f"--{flag}={path}: exists already; expected a new name")
    if key.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"--key={key}: lies in {out}, which viewers get; expected another folder")


def make(results: Results, methods: list[str], seed: int, out: Path, key: Path) -> Key:
    """Draw who is A and who is B, write the study as a new folder and its key as a new file.

    Both are written whole or not at all. The folder holds `study.html`, `questions.json` and
    `pairs/`, with nothing that tells the methods.

    Raises:
        ValueError: there is nothing to ask, or a place cannot be written.
    """
    if not results.asked:
        raise ValueError("--results: all pictures are equal; expected some that differ")
    pairs = keys.draw(results.asked, seed)
    try:
        key.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undone:
            with files.atomic_folder(out) as whole:
                (whole / "pairs").mkdir()
                _write_pairs(whole, pairs, results)
                study = _digest([whole / _picture(pair, pairs) for pair in pairs])
                _write_page(whole, questions(study, pairs))
                made = Key(study, seed, methods, pairs, results.equal)
                keys.write(key, made)
                undone.callback(key.unlink)
            undone.pop_all()
    except OSError as error:
        raise ValueError(
            f"--out={out}, --key={key}: cannot be written ({error.strerror});"
            " expected names in writable folders"
        ) from error
    return made


def questions(study: str, pairs: list[Pair]) -> dict[str, Any]:
    """What viewers may see: numbers and pictures, in the order of the pairs."""
    listed = [{"pair": pair.number, "picture": _picture(pair, pairs)} for pair in pairs]
    return {"study": study, "question": QUESTION, "answers": ["A", "B", "0"], "pairs": listed}


def side_by_side(source: Picture, a: Picture, b: Picture) -> UInt8[np.ndarray, "h w 3"]:
    """Lay source, A and B in a row, at their full size, each under its name."""
    height, width, _ = source.shape
    font = ImageFont.load_default(size=max(14, height // 24))
    titles = ("source and motion", "A", "B")
    cell = max(width, *(int(font.getlength(title)) + 1 for title in titles))
    gap = max(8, width // 40)
    strip = int(1.6 * font.size) if isinstance(font, ImageFont.FreeTypeFont) else 22
    paper = Image.new("RGB", (3 * cell + 4 * gap, strip + height + gap), _PAPER)
    pen = ImageDraw.Draw(paper)
    for i, (title, picture) in enumerate(zip(titles, (source, a, b), strict=True)):
        left = gap + i * (cell + gap)
        pen.text((left, strip / 2), title, fill=_INK, font=font, anchor="lm")
        paper.paste(Image.fromarray(picture), (left, strip))
    return np.array(paper)


def _write_pairs(folder: Path, pairs: list[Pair], results: Results) -> None:
    """Write the pictures, case by case: arrows take longest to draw."""
    with tqdm(total=len(pairs), unit="pair", disable=None) as bar:
        for name, case_folder in results.folders.items():
            own = [pair for pair in pairs if pair.case == name]
            case = cases.read(case_folder)
            source = draw.arrows(case.source, case.flow) if own else case.source
            files = results.pictures[name]
            for pair in own:
                a, b = images.read(files[pair.a]), images.read(files[pair.b])
                images.write(folder / _picture(pair, pairs), side_by_side(source, a, b))
                bar.update()


def _write_page(folder: Path, asked: dict[str, Any]) -> None:
    text = json.dumps(asked, indent=2)
    (folder / "questions.json").write_text(text + "\n", encoding="utf-8")
    page = _PAGE.read_text(encoding="utf-8")
    (folder / "study.html").write_text(page.replace("QUESTIONS", text), encoding="utf-8")


def _picture(pair: Pair, pairs: list[Pair]) -> str:
    digits = max(3, len(str(len(pairs))))
    return f"pairs/{pair.number:0{digits}}.png"


def _digest(files: list[Path]) -> str:
    """Name a study by what viewers have anyway, so that its name tells them nothing."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
    return total.hexdigest()[:16]
