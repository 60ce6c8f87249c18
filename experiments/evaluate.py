r"""Edit a folder of cases by several methods, and score all with one ruler.

    python -m experiments.fetch_weights --name=raft-sintel
    python -m experiments.evaluate --cases=cases --out=out/evaluation
    python -m experiments.evaluate --cases=cases --out=out/ablations \
        --methods=patch,no_flow_loss,no_color_loss,no_occlusion_mask,no_recursion,no_guidance
    python -m experiments.evaluate --cases=cases --out=out/sd --methods=nothing \
        --model=weights/sd14 --presets=paper,fast --clip=weights/clip-vit-large-patch14

A case is a folder with source.png, flow.npz (key flow) and, where known, reference.png (another
program's result), answer.png (the true edited picture) and prompt.txt. In --out it writes
table.json, table.md and sheet.png (of at most 60 cases), and for each case, as they are made,
CASE/METHOD.png and CASE/METHOD.json. A run that was stopped goes on where it stopped; so does one
with more methods or cases, or another judge. What was made from another source, flow, prompt, seed
or setting is made again; to make a picture again for another reason, remove CASE/METHOD.json.
--shard=0/2 and 1/2, in one --out, at once or not, make half of the cases each.

Methods: see experiments/methods.py. Time on two cores, 512 x 512: a minute or less for each
diffusion method and for pixels, nothing for the others, 3 s to measure each picture, and 3 s a case
to find out what the judge can tell of its motion.
"""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from absl import flags
from jaxtyping import UInt8
from tqdm import tqdm

import mg_jax
from experiments import (
    command,
    contact_sheet,
    evaluation,
    field_flags,
    host_flags,
    loading_flags,
    methods,
    program_flags,
    reading,
    sharding,
    tables,
    writing,
)
from experiments.evaluation import ANSWER, REFERENCE, Row, Ruler
from experiments.methods import (
    ABLATIONS,
    COMPARED,
    PLAIN,
    STABLE_DIFFUSION,
    VARIANTS,
    Method,
    Picture,
)
from flows import draw, files, networks
from mg_jax import api, cases, images, noise
from mg_jax.cases import Case
from mg_jax.models.stable_diffusion.model import GuidedStableDiffusion
from mg_jax.models.stable_diffusion.settings import PRESETS
from mg_jax.settings import Settings

_S = TypeVar("_S", bound=Settings)

_SHOWN = 60  # cases on the sheet; of more, as many evenly chosen

_cases = flags.DEFINE_string("cases", None, "Folder of cases.", required=True)
_out = flags.DEFINE_string("out", None, "Folder for the results; made if missing.", required=True)
_methods = flags.DEFINE_list(
    "methods", list(COMPARED), f"Which methods; also: {', '.join((*ABLATIONS, *VARIANTS))}."
)
_judge = flags.DEFINE_string(
    "judge",
    "raft-sintel",
    "Flow network that measures: raft-sintel, gmflow, another or a file; raft-small guides.",
)
_clip = flags.DEFINE_string("clip", None, "Folder of a CLIPModel, for cases with a prompt.")
_model = flags.DEFINE_string(
    "model",
    None,
    f"Stable Diffusion, as for experiments.edit: adds the method {STABLE_DIFFUSION}, or for presets"
    f" other than the paper's {STABLE_DIFFUSION}_PRESET.",
)
_presets = flags.DEFINE_list(
    "presets", ["paper"], f"Of Stable Diffusion's settings, some of {', '.join(PRESETS)}."
)
_shard = flags.DEFINE_string(
    "shard",
    "0/1",
    "Which part of the cases, of how many: 0/4 to 3/4, or auto: by the processes of --distributed,"
    " of Slurm or Open MPI. The last one to end, or a later run, writes the tables.",
)
_seed = flags.DEFINE_integer("seed", 0, "Seed of every edit.", lower_bound=0)
_DTYPE = "dtype"  # of Stable Diffusion alone
_settings = field_flags.define((_DTYPE, "size", "steps", "recursions"))
flags.adopt_module_key_flags(field_flags)
flags.adopt_module_key_flags(loading_flags)
flags.adopt_module_key_flags(host_flags)
flags.adopt_module_key_flags(program_flags)


def main() -> None:
    """Check everything, edit and measure, write the tables and the sheet."""
    host_flags.start()
    program_flags.keep()
    chosen = _chosen()
    folders = cases.find(Path(_cases.value))
    shard = sharding.read(_shard.value)
    own = shard.own(folders)
    for folder in own:
        _check(cases.read(folder), folder)
    with reading.named({}):
        noise.keys(_seed.value, 1)
    ruler = _ruler()
    out = writing.folder(Path(_out.value), f"--out={_out.value}")
    made: dict[Path, dict[str, Row]] = {}
    with tqdm(total=len(own) * len(chosen), unit="edit", disable=None) as bar:
        for folder in own:
            case = cases.read(folder)
            (out / case.name).mkdir(parents=True, exist_ok=True)
            rows = made[folder] = {}
            for name, method in chosen.items():
                bar.set_description(f"{case.name}, {name}")
                rows[name] = evaluation.edited(
                    case, name, method, _seed.value, ruler, out / case.name
                )
                bar.update()
            rows |= _brought(case, ruler, out / case.name)
    table: dict[str, dict[str, Row]] = {}
    for folder in folders:
        found = made.get(folder) or _of_others(folder, chosen, ruler, out)
        if found is None:
            print(
                f"{out}: shard {shard.number}/{shard.of} is done, cases: {len(own)};"
                " the last shard, or another run, writes the table"
            )
            return
        table[folder.absolute().name] = found
    _write(out, table, chosen, ruler)
    images.write(out / "sheet.png", _sheet(folders, list(chosen), out))
    _note(table)
    print(f"{out / 'table.md'}: {len(table)} cases; look at {out / 'sheet.png'}")


def _brought(case: Case, ruler: Ruler, out: Path) -> dict[str, Row]:
    """Rows of the pictures that a case brings."""
    rows = {name: evaluation.brought(case, name, ruler, out) for name in (REFERENCE, ANSWER)}
    return {name: row for name, row in rows.items() if row is not None}


def _of_others(
    folder: Path, chosen: dict[str, Method], ruler: Ruler, out: Path
) -> dict[str, Row] | None:
    """Rows of a case of another shard; None while it is not done."""
    case, rows = cases.read(folder), {}
    for name, method in chosen.items():
        row = evaluation.kept(case, name, method, _seed.value, ruler, out / case.name)
        if row is None:
            return None
        rows[name] = row
    return rows | _brought(case, ruler, out / case.name)


def _chosen() -> dict[str, Method]:
    """The methods asked for, in their order."""
    given = field_flags.given(_settings)
    shared = {name: value for name, value in given.items() if name != _DTYPE}
    names = list(_methods.value)
    patch = any(name not in PLAIN and not name.startswith(STABLE_DIFFUSION) for name in names)
    _check_read(patch)
    known = methods.known(_with(mg_jax.PatchSettings(), shared if patch else {}))
    if _model.value:
        options = loading_flags.options()
        model = GuidedStableDiffusion(_model.value, options=options)
        if not _presets.value:
            raise ValueError(f"--presets: none given; expected some of {', '.join(PRESETS)}")
        for preset in _presets.value:
            if preset not in PRESETS:
                raise ValueError(f"--presets: {preset}; expected some of {', '.join(PRESETS)}")
            name = STABLE_DIFFUSION + (f"_{preset}" if preset != "paper" else "")
            settings = _with(PRESETS[preset](), given)
            known[name] = methods.stable_diffusion(model, settings, options)
            names.append(name)
            with reading.named({}):
                origin = model.loaded(settings.dtype).origin
        if origin is not None:
            loading_flags.tell(_model.value, origin)
    return methods.chosen(names, known)


def _check_read(patch: bool) -> None:
    """Refuse settings that no method reads; `patch`: some read the patch model's."""
    unread: list[flags.FlagHolder[Any]] = []
    if not _model.value:
        unread += [_settings[_DTYPE], _presets]
        if given := loading_flags.given():
            raise ValueError(f"--{given[0]}: read by none of the methods; expected none")
    if not (patch or _model.value):
        unread += [flag for name, flag in _settings.items() if name != _DTYPE]
    for flag in unread:
        if flag.present:
            raise ValueError(f"--{flag.name}: read by none of the methods; expected none")


def _with(settings: _S, given: dict[str, Any]) -> _S:
    """The settings, but for what the flags say."""
    with reading.named({}):
        return dataclasses.replace(settings, **given)


def _check(case: Case, folder: Path) -> None:
    """Refuse what no method could edit, naming the file."""
    with reading.named({"image": f"{folder / cases.SOURCE}", "flow": f"{folder / cases.FLOW}"}):
        api.request(case.source, case.flow)


def _ruler() -> Ruler:
    file = networks.find(_judge.value)
    description = {"judge": _judge.value, "judge_sha256": _sha256(file)}
    if not _clip.value:
        return Ruler(networks.load(_judge.value), None, description)
    from mg_jax.models import clip

    scorer = clip.load(_clip.value)

    def similarity(picture: Picture, text: str) -> float:
        return clip.similarity(scorer, picture, text)

    inside = sorted(file for file in Path(_clip.value).iterdir() if file.is_file())
    description |= {f"clip/{file.name}": _sha256(file) for file in inside}
    return Ruler(networks.load(_judge.value), similarity, description)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write(
    out: Path, table: dict[str, dict[str, Row]], chosen: dict[str, Method], ruler: Ruler
) -> None:
    """table.json and table.md."""
    scores = {
        case: {name: row.scores for name, row in rows.items()} for case, rows in table.items()
    }
    report = {
        "cases": scores,
        "means": [group._asdict() for group in tables.means(scores)],
        "methods": {name: method.settings for name, method in chosen.items()},
        "seed": _seed.value,
        "ruler": ruler.description,
        "code": sorted(_codes(table)),
        "versions": writing.versions(),
        "device": str(jax.devices()[0]),
    }
    head = (
        f"# Cases: {len(table)}, judged by {_judge.value}, seed {_seed.value}\n\n"
        "Flow and colour errors: less is better; PSNR, SSIM, CLIP: more. Judged: share of what"
        " moves whose motion the judge can tell; below one half the flow cannot be judged (–). Row "
        f"{REFERENCE}: another program's result; {ANSWER}: the truth, with the judge's own error."
        "\n\n"
    )
    text = head + tables.markdown(scores, frozenset({ANSWER}))
    for name, content in (("table.json", json.dumps(report, indent=2) + "\n"), ("table.md", text)):
        with files.atomic(out / name) as stream:
            stream.write(content.encode())


def _sheet(folders: list[Path], names: list[str], out: Path) -> UInt8[np.ndarray, "h w 3"]:
    """Source with arrows, each method's picture, reference and answer, a row a case."""
    count = min(len(folders), _SHOWN)
    shown = [folders[i * len(folders) // count] for i in range(count)]
    columns = ["source and motion", *names, REFERENCE, ANSWER]
    rows = []
    for folder in shown:
        case = cases.read(folder)
        made = [images.read(out / case.name / f"{name}.png") for name in names]
        pictures = [draw.arrows(case.source, case.flow), *made, case.reference, case.answer]
        rows.append(
            (case.name, [None if one is None else contact_sheet.small(one) for one in pictures])
        )
    return contact_sheet.sheet(columns, rows)


def _codes(table: dict[str, dict[str, Row]]) -> set[str]:
    """Digests of the code that pictures were made by."""
    return {row.code for rows in table.values() for row in rows.values() if row.code is not None}


def _note(table: dict[str, dict[str, Row]]) -> None:
    """Tell when pictures on disk are of another version of the code."""
    rows = [row for rows in table.values() for row in rows.values() if row.code is not None]
    older = sum(row.code != evaluation.code() for row in rows)
    if older:
        print(
            f"note: {older} of {len(rows)} pictures were made by another version of the code;"
            " remove CASE/METHOD.json to make one again",
            file=sys.stderr,
        )


if __name__ == "__main__":
    command.run(main)
