r"""Ask people which of two edits is better, without telling them whose they are; count the answers.

    python -m experiments.blind_pairs make --cases=cases --out=out/study \
        --results=patch,pixels=out/evaluation --results=reference=cases
    python -m experiments.blind_pairs tally --key=out/study.key.json \
        --answers=answers-ann.json,answers-bob.csv --out=out/study_tally

The first makes a pair for every two methods on every case: the source with the motion's arrows, and
the two results as A and B, in an order drawn from --seed. Hand out the folder --out, all of it:
viewers open study.html, offline, answer with the keys A, B and 0 (no difference), and send back
what "save answers" writes. Keep the key (--key, or OUT.key.json beside the folder) to yourself.
Where viewers know this program, give a --seed of your own: from the same flags anyone can draw the
same order. Pictures that are bit-identical are not asked about.

The second counts wins, by case and by answer, with Wilson's intervals, and how far viewers agree;
it prints a summary and writes it with all cases to tally.md and tally.json in --out.

Results: NAME=FOLDER, or NAME,NAME=FOLDER. A method's picture of a case is FOLDER/CASE/NAME.png, as
experiments.evaluate has it, or FOLDER/CASE/edited.png, or FOLDER/CASE.png, of the source's size.
"""

import json
from pathlib import Path
from typing import Any

from absl import flags

from experiments import command, writing
from experiments.blind import answers, key, report, results, study
from flows import files

_TABLES, _NUMBERS = "tally.md", "tally.json"

_out = flags.DEFINE_string("out", None, "Folder to write: make's is a new one.")
_key = flags.DEFINE_string("key", None, "File of the key; make's is a new one (OUT.key.json).")
_cases = flags.DEFINE_string("cases", None, "make: folder of cases, as for experiments.evaluate.")
_results = flags.DEFINE_multi_string(
    "results", None, "make: NAME=FOLDER or NAME,NAME=FOLDER, once or several times."
)
_seed = flags.DEFINE_integer("seed", 0, "make: seed of the order.", lower_bound=0)
_answers = flags.DEFINE_list("answers", None, "tally: the viewers' files, .json or .csv.")


def make() -> None:
    """Write the study and its key."""
    _refuse(_answers)
    folder, texts, out = (
        Path(command.needed(_cases)),
        command.needed(_results),
        Path(command.needed(_out)),
    )
    kept = Path(_key.value) if _key.value else out.with_name(f"{out.name}.key.json")
    study.check_places(out, kept)
    methods = results.parse(texts)
    made = study.make(results.find(folder, methods), list(methods), _seed.value, out, kept)
    note = f" ({len(made.equal)} more are bit-identical)" if made.equal else ""
    print(f"{out / 'study.html'}: {len(made.pairs)} pairs to ask about{note}; key: {kept}")


def tally() -> None:
    """Check and count the answers."""
    _refuse(_cases, _results, _seed)
    kept, names, out = command.needed(_key), command.needed(_answers), Path(command.needed(_out))
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"--answers: {name} is given twice; expected each viewer once")
    read = key.read(Path(kept))
    viewers = [answers.read(Path(name), read) for name in names]
    writing.check_apart([out / _TABLES, out / _NUMBERS], [kept, *names], f"--out={out}")
    writing.folder(out, f"--out={out}")
    summary = report.summary(read, viewers)
    texts = {
        _TABLES: f"{summary}\n{report.cases(read, viewers)}",
        _NUMBERS: json.dumps(report.content(read, viewers), indent=2) + "\n",
    }
    for file, text in texts.items():
        with files.atomic(out / file) as stream:
            stream.write(text.encode())
    print(f"{summary}\n{out / _TABLES}: the same, with all cases")


def _refuse(*unread: flags.FlagHolder[Any]) -> None:
    for flag in unread:
        if flag.present:
            raise ValueError(f"--{flag.name}: not read by this task; expected none")


if __name__ == "__main__":
    command.run_one_of({"make": make, "tally": tally})
