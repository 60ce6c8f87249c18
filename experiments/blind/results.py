"""Where the methods' pictures lie: found, checked and compared before a study is made."""

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from experiments import reading
from experiments.blind.key import Comparison
from mg_jax import cases, images


class Results(NamedTuple):
    """The pictures of several methods on all cases."""

    folders: dict[str, Path]  # case -> its folder
    pictures: dict[str, dict[str, Path]]  # case -> method -> file
    asked: list[Comparison]  # every two methods on every case
    equal: list[Comparison]  # those whose pictures are bit-identical


def parse(texts: Sequence[str]) -> dict[str, Path]:
    """Read NAME=FOLDER or NAME,NAME=FOLDER, as --results has it: method -> folder.

    Raises:
        ValueError: another form, a name given twice, fewer than two names, no such folder.
    """
    folders: dict[str, Path] = {}
    for text in texts:
        names, equals, folder = text.partition("=")
        if not (equals and folder) or not all(name.strip() for name in names.split(",")):
            raise ValueError(f"--results={text}: expected NAME=FOLDER or NAME,NAME=FOLDER")
        if not Path(folder).is_dir():
            raise ValueError(f"--results={text}: no such folder; expected one with results")
        for name in (name.strip() for name in names.split(",")):
            if Path(name).name != name:
                raise ValueError(f"--results={text}: {name} is a path; expected a method's name")
            if name in folders:
                raise ValueError(f"--results: {name} is given twice; expected different names")
            folders[name] = Path(folder)
    if len(folders) < 2:
        raise ValueError("--results: fewer than two methods; expected two or more to compare")
    return folders


def find(root: Path, methods: dict[str, Path]) -> Results:
    """Find each method's picture of each case, and which two are the same.

    A picture is FOLDER/CASE/NAME.png, as `experiments.evaluate` writes it and as a case has its own
    reference.png, or FOLDER/CASE/edited.png, or FOLDER/CASE.png.

    Raises:
        ValueError: a case or picture is missing or broken, or of another size than its source; or
            a method has two pictures of one case.
    """
    folders = {folder.absolute().name: folder for folder in cases.find(root)}
    results = Results(folders, {}, [], [])
    for case, folder in folders.items():
        source = cases.read(folder).source
        files = {name: _file(methods[name], case, name) for name in methods}
        digests = {name: _digest(file, source) for name, file in files.items()}
        results.pictures[case] = files
        for first, second in itertools.combinations(methods, 2):
            same = digests[first] == digests[second]
            (results.equal if same else results.asked).append(Comparison(case, first, second))
    return results


def _file(folder: Path, case: str, method: str) -> Path:
    places = (f"{case}/{method}.png", f"{case}/edited.png", f"{case}.png")
    pictures = [folder / place for place in places if (folder / place).exists()]
    if len(pictures) != 1:
        lack = " and ".join(map(str, pictures[:2])) + " exist" if pictures else "no picture"
        raise ValueError(
            f"--results, {folder}: {lack} for {method}; expected one of {', '.join(places)}"
        )
    return pictures[0]


def _digest(file: Path, source: UInt8[np.ndarray, "h w 3"]) -> str:
    picture = images.read(file)
    if picture.shape != source.shape:
        raise ValueError(
            f"{file}: {reading.size_text(picture.shape)} pixels;"
            f" expected {reading.size_text(source.shape)}, the size of the case's source"
        )
    return hashlib.sha256(picture.tobytes()).hexdigest()
