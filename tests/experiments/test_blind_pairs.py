"""Blind comparisons: what viewers see tells no method, and answers and key give back who won."""

import json
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from experiments.blind import answers, counting, key, report, results, study
from experiments.blind.answers import Viewer
from experiments.blind.counting import Agreement, Record, Votes
from experiments.blind.key import Comparison, Key, Pair
from mg_jax import cases, images
from mg_jax.cases import Case

from ..programs import program

H, W = 24, 32
METHODS = ("zeppelin", "quokka", "marzipan")
CASES = ("apple", "lagoon", "ostrich", "tundra")
GRAYS = {"zeppelin": 40, "quokka": 120, "marzipan": 200}  # what tells a method's pictures


@pytest.fixture
def folder(tmp_path):
    """Four cases; results as evaluate writes them, in folders of their own, and flat."""
    flow = np.zeros((H, W, 2), np.float32)
    flow[8:16, 8:16] = (5, 0)
    for i, name in enumerate(CASES):
        source = np.full((H, W, 3), 10 * i, np.uint8)
        cases.write(tmp_path / "cases" / name, Case(name, source, flow, None, None, ""))
        for method, file in zip(METHODS, (f"{name}/zeppelin", f"{name}/edited", name), strict=True):
            path = tmp_path / method / f"{file}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            images.write(path, np.full((H, W, 3), GRAYS[method] + i, np.uint8))
    return tmp_path


def flags(folder, methods=METHODS):
    return [f"{method}={folder / method}" for method in methods]


def make(folder, name="study", seed=0, methods=METHODS):
    out, kept = folder / name, folder / f"{name}.key.json"
    folders = results.parse(flags(folder, methods))
    study.check_places(out, kept)
    made = study.make(results.find(folder / "cases", folders), [*methods], seed, out, kept)
    return out, kept, made


def contents(out):
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def run(task, *arguments):
    return program("experiments.blind_pairs", task, *arguments)


def test_a_seed_gives_one_study_and_another_seed_another_order(folder):
    one, two, other = (make(folder, *args) for args in (("a", 0), ("b", 0), ("c", 1)))
    assert contents(one[0]) == contents(two[0])
    assert one[2] == two[2]
    assert one[2].pairs != other[2].pairs
    assert one[2].study != other[2].study


def test_every_two_methods_meet_once_on_every_case(folder):
    _, _, made = make(folder)
    met = Counter((pair.case, frozenset((pair.a, pair.b))) for pair in made.pairs)
    assert len(made.pairs) == len(met) == 3 * len(CASES)
    assert [pair.number for pair in made.pairs] == list(range(1, 13))


def test_key_and_questions_together_tell_whose_picture_is_where(folder):
    out, kept, made = make(folder)
    assert key.read(kept) == made
    questions = json.loads((out / "questions.json").read_text())
    assert questions["study"] == made.study
    for pair, asked in zip(made.pairs, questions["pairs"], strict=True):
        assert asked["pair"] == pair.number
        picture = images.read(out / asked["picture"])
        row = picture[-H // 2]  # below all titles, through all three pictures
        i = CASES.index(pair.case)
        seen = [value for value in row[:, 0] if value != 255]
        assert seen[-2 * W :] == [GRAYS[pair.a] + i] * W + [GRAYS[pair.b] + i] * W


@pytest.mark.parametrize("count", [1, 2, 7, 8])
@pytest.mark.parametrize("seed", range(3))
def test_each_of_two_methods_is_on_the_left_as_often(count, seed):
    drawn = key.draw([Comparison(f"{i}", "one", "two") for i in range(count)], seed)
    left = Counter(pair.a for pair in drawn)
    assert abs(left["one"] - left["two"]) == count % 2


def test_sides_and_order_are_drawn():
    many = [Comparison(f"{i}", "one", "two") for i in range(20)]
    drawn = [key.draw(many, seed) for seed in range(20)]
    assert {pairs[0].a for pairs in drawn} == {"one", "two"}
    assert len({pairs[0].case for pairs in drawn}) > 5
    assert len({tuple(pair.a for pair in pairs) for pairs in drawn}) == 20


def test_what_viewers_get_tells_no_method_no_case_and_no_place(folder):
    out, _, _ = make(folder)
    files = contents(out)
    assert set(files) == {"questions.json", "study.html"} | {
        f"pairs/{number:03}.png" for number in range(1, 13)
    }
    for name, content in files.items():
        for secret in (*METHODS, *CASES, str(folder), folder.name, "seed"):
            assert secret.encode() not in content, (name, secret)
    for name in files:
        if name.endswith(".png"):
            with Image.open(out / name) as picture:
                assert (picture.mode, picture.info) == ("RGB", {})


def test_the_page_asks_no_other_machine(folder):
    out, _, _ = make(folder)
    page = (out / "study.html").read_text()
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|//\w|fetch\(|XMLHttp|import\b|@import", page)
    shown = re.search(r"pairs \} = (\{.*?\n\});", page, re.DOTALL)
    assert shown is not None
    assert json.loads(shown[1]) == json.loads((out / "questions.json").read_text())


def test_pictures_that_are_identical_are_not_asked_but_told(folder):
    same = images.read(folder / "zeppelin" / "lagoon" / "zeppelin.png")
    images.write(folder / "quokka" / "lagoon" / "edited.png", same)
    _, _, made = make(folder, methods=METHODS[:2])
    assert made.equal == [Comparison("lagoon", "zeppelin", "quokka")]
    assert {pair.case for pair in made.pairs} == {"apple", "ostrich", "tundra"}
    (contest,) = counting.contests(made, [Viewer("v", {1: "A"})])
    assert contest.equal == ["lagoon"]
    assert "| lagoon |  |  |  | equal pictures, not asked |" in report.cases(made, [])


def test_nothing_to_ask_is_refused(folder):
    for path in (folder / "quokka").rglob("*.png"):
        images.write(path, images.read(folder / "zeppelin" / path.parent.name / "zeppelin.png"))
    with pytest.raises(ValueError, match=r"^--results: all pictures are equal; expected"):
        make(folder, methods=METHODS[:2])
    assert not (folder / "study").exists()


def test_pictures_keep_their_size_under_titles():
    rng = np.random.default_rng(0)
    source, a, b = rng.integers(0, 255, (3, 300, 200, 3), np.uint8)
    row = study.side_by_side(source, a, b)
    places = [
        [(y, x) for y in range(row.shape[0] - 299) for x in range(row.shape[1] - 199)
         if (row[y, x] == one[0, 0]).all() and (row[y : y + 300, x : x + 200] == one).all()]
        for one in (source, a, b)
    ]  # fmt: skip
    (first,), (second,), (third,) = places
    assert first[0] == second[0] == third[0]
    assert first[1] < second[1] < third[1]


# Two methods on four cases; three viewers.
KEY = Key(
    "0123",
    0,
    ["one", "two"],
    [Pair(1, "a", "one", "two"), Pair(2, "b", "two", "one"), Pair(3, "c", "one", "two"),
     Pair(4, "d", "two", "one")],
    [Comparison("e", "one", "two")],
)  # fmt: skip
VIEWERS = [
    Viewer("ann", {1: "A", 2: "B", 3: "B", 4: "A"}),
    Viewer("bob", {1: "A", 2: "A", 3: "B", 4: "0"}),
    Viewer("eve", {1: "A", 2: "B", 3: "B"}),
]


def test_known_answers_give_known_wins():
    (contest,) = counting.contests(KEY, VIEWERS)
    assert contest.votes == {
        "a": Votes(3, 0, 0),
        "b": Votes(2, 1, 0),
        "c": Votes(0, 3, 0),
        "d": Votes(0, 1, 1),
    }
    assert contest.by_case == Record(2, 1, 1)
    assert contest.by_answer == Record(5, 5, 1)
    assert (contest.won_by_all, contest.lost_by_all) == (["a"], ["c"])
    assert counting.sides(VIEWERS) == Record(5, 5, 1)


def test_sides_exchanged_everywhere_leave_the_wins():
    pairs = [pair._replace(a=pair.b, b=pair.a) for pair in KEY.pairs]
    other = {"A": "B", "B": "A", "0": "0"}
    viewers = [
        Viewer(one.file, {pair: other[letter] for pair, letter in one.answers.items()})
        for one in VIEWERS
    ]
    swapped = KEY._replace(pairs=pairs)
    assert counting.contests(swapped, viewers) == counting.contests(KEY, VIEWERS)
    assert counting.agreement(swapped, viewers) == counting.agreement(KEY, VIEWERS)


def test_methods_in_another_order_exchange_wins_and_losses():
    (contest,) = counting.contests(KEY._replace(methods=["two", "one"]), VIEWERS)
    assert contest.by_case == Record(1, 2, 1)
    assert (contest.won_by_all, contest.lost_by_all) == (["c"], ["a"])


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [
        ((2, 1, 0), 1), ((1, 2, 0), -1), ((1, 1, 1), 0), ((2, 1, 1), 0), ((1, 0, 1), 0),
        ((0, 0, 3), 0), ((1, 0, 2), 0), ((1, 0, 0), 1),
    ],
)  # fmt: skip
def test_a_case_is_won_by_more_than_half_of_its_viewers(votes, outcome):
    assert Votes(*votes).outcome == outcome


def test_the_interval_is_wilsons():
    # 8 of 10, z = 1.959964: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)
    assert Record(8, 2, 5).rate == 0.8
    assert Record(8, 2, 5).interval == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert (Record(0, 0, 3).rate, Record(0, 0, 3).interval) == (None, None)


def test_kappa_is_fleiss():
    # The worked example of his paper as Wikipedia has it: 14 raters, 10 subjects, 5 categories.
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    found = counting.fleiss(np.array(table))
    assert found == pytest.approx((0.378, 0.210), abs=5e-4)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([[1, 0, 0], [0, 1, 0]], Agreement(None, None)),  # nobody to agree with
        ([[3, 0, 0], [3, 0, 0]], Agreement(1.0, None)),  # chance would do as well
        ([[2, 0, 0], [0, 2, 0], [1, 0, 0]], Agreement(1.0, 1.0)),
        ([[1, 1, 0], [1, 1, 0]], Agreement(0.0, -1.0)),
    ],
)
def test_agreement_at_its_ends(counts, expected):
    assert counting.fleiss(np.array(counts)) == expected


def test_the_report_says_what_was_counted():
    summary = report.summary(KEY, VIEWERS)
    assert "| one against two | by case | 2 | 1 | 1 | 67% | 21% to 94% |" in summary
    assert "lost by all viewers: c; won by all: a" in summary
    assert "eve: 3 of 4 answered" in summary
    assert "A among answers A and B: 50%" in summary
    table = report.cases(KEY, VIEWERS)
    assert "| c | 0 | 3 | 0 | two, all viewers |" in table
    assert "| d | 0 | 1 | 1 | neither |" in table
    unseen = report.cases(KEY, VIEWERS[2:])
    assert "| d |  |  |  | not answered |" in unseen
    content = report.content(KEY, VIEWERS)
    assert json.loads(json.dumps(content))["contests"][0]["cases"]["c"]["outcome"] == "second"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v.json", '{"study": "0123", "answers": {"1": "A", "4": 0}}'),
        ("v.json", '{"answers": {"1": "A", "004": "0"}}'),
        ("v.csv", "study,pair,answer\n0123,1,A\n0123,4,0\n"),
        ("v.csv", "\ufeffpair,answer\r\n1, A\r\n004,0\r\n\r\n"),
        ("v.CSV", "answer,pair\nA,1\n0,4\n"),
    ],
)
def test_answers_come_as_json_and_csv(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert answers.read(tmp_path / name, KEY) == Viewer(str(tmp_path / name), {1: "A", 4: "0"})


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("v.json", '{"answers": {"5": "A"}}', "pair '5': unknown; expected a number from 1 to 4"),
        ("v.json", '{"answers": {"0": "A"}}', "pair '0': unknown; expected a number"),
        ("v.json", '{"answers": {"x": "A"}}', "pair 'x': unknown; expected a number"),
        ("v.json", '{"answers": {"1": "A", "1": "B"}}', "pair 1: answered twice; expected one"),
        ("v.json", '{"answers": {"1": "A", "01": "A"}}', "pair 1: answered twice; expected one"),
        ("v.json", '{"answers": {"1": "C"}}', "pair 1: 'C'; expected A, B or 0"),
        ("v.json", '{"answers": {"1": ["A"]}}', "pair 1: \"['A']\"; expected A, B or 0"),
        ("v.json", '{"answers": {"1": null}}', "pair 1: 'None'; expected A, B or 0"),
        ("v.json", '{"answers": {}}', "has no answer; expected at least one"),
        ("v.json", '{"answers": ["A"]}', "has no answers; expected {"),
        ("v.json", "[1]", "has no answers; expected {"),
        ("v.json", '{"answers": {"1": "A"}', "is no JSON; expected"),
        ("v.json", "[" * 100_000, "is no JSON; expected"),
        ("v.json", '{"study": "9", "answers": {"1": "A"}}', "of study 9; expected 0123"),
        ("v.csv", "study,pair,answer\n9,1,A\n", "of study 9; expected 0123"),
        ("v.csv", "", "begins with ''; expected the columns pair,answer"),
        ("v.csv", "1,A\n", "begins with '1,A'; expected the columns pair,answer"),
        ("v.csv", "pair,answer\n", "has no answer; expected at least one"),
        ("v.csv", "pair,answer\n1,A,B\n", "line 2: 3 values; expected 2"),
        ("v.csv", "pair,answer\n1,A\n1,A\n", "pair 1: answered twice; expected one"),
        ("v.csv", "pair,answer\n1,a\n", "pair 1: 'a'; expected A, B or 0"),
        ("v.csv", "pair,answer\n-1,A\n", "pair '-1': unknown; expected a number"),
        ("v.txt", "1 A", "unknown suffix '.txt'; expected .json or .csv"),
        ("v.csv", None, "no such file; expected a viewer's answers"),
    ],
)
def test_bad_answers_are_one_line_that_names_the_file(tmp_path, name, text, says):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match="expected") as caught:
        answers.read(tmp_path / name, KEY)
    assert str(caught.value).startswith(f"{tmp_path / name}: {says}")
    assert "\n" not in str(caught.value)


def test_answers_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "v.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"v\.csv: cannot be read as text; expected"):
        answers.read(tmp_path / "v.csv", KEY)


def test_a_key_is_read_as_it_was_written(tmp_path):
    key.write(tmp_path / "key.json", KEY)
    assert key.read(tmp_path / "key.json") == KEY


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pairs": []}, "its pairs are not 1, 2, 3"),
        ({"pairs": [{"number": 2, "case": "a", "a": "one", "b": "two"}]}, "its pairs are not 1"),
        ({"pairs": [{"number": 1, "case": "a", "a": "one", "b": "one"}]}, "a pair is not of two"),
        ({"pairs": [{"number": 1, "case": "a", "a": "one", "b": "six"}]}, "a pair is not of two"),
        ({"pairs": [{"number": 1}]}, "is no key"),
        ({"seed": None}, "is no key"),
    ],
)
def test_a_broken_key_is_one_line_that_names_it(tmp_path, change, says):
    path = tmp_path / "key.json"
    key.write(path, KEY)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="expected") as caught:
        key.read(path)
    assert str(caught.value).startswith(f"{path}: {says}")


def test_what_is_no_key_is_refused(folder):
    out, _, _ = make(folder)
    with pytest.raises(ValueError, match=r"questions.json: is no key; expected"):
        key.read(out / "questions.json")
    with pytest.raises(ValueError, match="nowhere: no such file; expected"):
        key.read(folder / "nowhere")


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["zeppelin"], "--results=zeppelin: expected NAME=FOLDER"),
        (["=."], "--results==.: expected NAME=FOLDER"),
        (["a,,b=."], "--results=a,,b=.: expected NAME=FOLDER"),
        (["a,b="], "--results=a,b=: expected NAME=FOLDER"),
        (["a,b=nowhere"], "--results=a,b=nowhere: no such folder; expected"),
        (["a,../b=."], "--results=a,../b=.: ../b is a path; expected"),
        (["a,b=.", "a=."], "--results: a is given twice; expected"),
        (["a=."], "--results: fewer than two methods; expected"),
    ],
)
def test_bad_results_are_one_line(texts, says):
    with pytest.raises(ValueError, match="expected") as caught:
        results.parse(texts)
    assert str(caught.value).startswith(says)


def test_names_may_share_a_folder_and_a_case_brings_its_own_pictures(folder):
    picture = np.full((H, W, 3), 77, np.uint8)
    for name in CASES:
        images.write(folder / "cases" / name / "reference.png", picture)
    cases_folder = folder / "cases"
    parsed = results.parse([f"source,reference={cases_folder}", f"quokka={folder / 'quokka'}"])
    assert list(parsed) == ["source", "reference", "quokka"]
    found = results.find(cases_folder, parsed).pictures["lagoon"]
    assert found["reference"] == cases_folder / "lagoon" / "reference.png"
    assert found["quokka"] == folder / "quokka" / "lagoon" / "edited.png"


def spoil_missing(folder):
    (folder / "marzipan" / "ostrich.png").unlink()


def spoil_two(folder):
    images.write(folder / "zeppelin" / "ostrich.png", np.zeros((H, W, 3), np.uint8))


def spoil_size(folder):
    images.write(folder / "marzipan" / "ostrich.png", np.zeros((H, W + 1, 3), np.uint8))


def spoil_picture(folder):
    (folder / "marzipan" / "ostrich.png").write_bytes(b"no picture")


def spoil_flow(folder):
    (folder / "cases" / "ostrich" / "flow.npz").unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_missing, "marzipan: no picture for marzipan; expected one of ostrich/marzipan.png,"),
        (spoil_two, "ostrich.png exist for zeppelin; expected one of"),
        (spoil_size, "marzipan/ostrich.png: 33x24 pixels; expected 32x24, the size"),
        (spoil_picture, "marzipan/ostrich.png: is no picture; expected"),
        (spoil_flow, "ostrich/flow.npz: no such file; expected"),
    ],
)
def test_bad_pictures_are_one_line_and_nothing_is_written(folder, spoil, says):
    spoil(folder)
    with pytest.raises(ValueError, match="expected") as caught:
        make(folder)
    assert says in str(caught.value)
    assert not list(folder.glob("*study*"))


def test_what_exists_is_not_overwritten_and_the_key_stays_apart(folder):
    out, kept, _ = make(folder)
    with pytest.raises(ValueError, match=r"--out=.*study: exists already; expected a new name"):
        study.check_places(out, folder / "new.json")
    with pytest.raises(ValueError, match=r"--key=.*: exists already; expected a new name"):
        study.check_places(folder / "new", kept)
    with pytest.raises(ValueError, match=r"--key=.*: lies in .*; expected another folder"):
        study.check_places(folder / "new", folder / "other" / ".." / "new" / "key.json")


def test_a_fault_while_writing_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr(study, "_write_page", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(ValueError, match=r"cannot be written \(full\); expected"):
        make(folder)
    assert not list(folder.glob("*study*"))


def test_both_tasks_from_the_command_line(folder):
    out = folder / "deep" / "study"
    made = run(
        "make", f"--cases={folder / 'cases'}", *(f"--results={one}" for one in flags(folder)),
        f"--out={out}", "--seed=3",
    )  # fmt: skip
    assert (made.returncode, made.stderr) == (0, "")
    kept = folder / "deep" / "study.key.json"
    pairs = json.loads(kept.read_text())["pairs"]
    # Everybody likes the quokka best; bob always says A elsewhere, ann B.
    for viewer, otherwise in (("ann", "B"), ("bob", "A")):
        said = {
            pair["number"]: "A" if pair["a"] == "quokka" else
            "B" if pair["b"] == "quokka" else otherwise for pair in pairs
        }  # fmt: skip
        (folder / f"{viewer}.json").write_text(json.dumps({"answers": said}))
    viewers = f"--answers={folder / 'ann.json'},{folder / 'bob.json'}"
    done = run("tally", f"--key={kept}", viewers, f"--out={folder / 'outcome'}")
    assert (done.returncode, done.stderr) == (0, "")
    tally = json.loads((folder / "outcome" / "tally.json").read_text())
    found = {(one["first"], one["second"]): one["by_case"] for one in tally["contests"]}
    assert found["zeppelin", "quokka"] == pytest.approx(
        {
            "wins": 0,
            "losses": 4,
            "ties": 0,
            "rate": 0,
            "interval_95": pytest.approx([0, 0.49], abs=0.01),
        }
    )
    assert found["quokka", "marzipan"]["wins"] == 4
    assert found["zeppelin", "marzipan"]["ties"] == 4
    text = (folder / "outcome" / "tally.md").read_text()
    assert text.startswith(done.stdout.rpartition("\n\n")[0])


FAULTS = """
import json, sys
from absl import flags
from absl.testing import flagsaver
from experiments import blind_pairs
flags.FLAGS.mark_as_parsed()
for task, given in json.loads(sys.argv[1]):
    with flagsaver.as_parsed(**given):
        try:
            getattr(blind_pairs, task)()
        except ValueError as error:
            print(error)
"""


def test_bad_flags_are_one_line_and_nothing_is_overwritten(folder):
    _, kept, _ = make(folder)
    answered = folder / "tally.json"
    answered.write_text('{"answers": {"1": "A"}}')
    before = contents(folder)
    key_and_out = {"key": str(kept), "out": str(folder)}
    tried = [
        ("make", {"out": "study"}, "--cases: none given; expected a value"),
        ("make", {"answers": "v.json"}, "--answers: not read by this task; expected none"),
        ("tally", {"seed": "0"}, "--seed: not read by this task; expected none"),
        ("tally", {"answers": "v.json", "out": "o"}, "--key: none given; expected a value"),
        ("tally", {**key_and_out, "answers": "v.csv,v.csv"}, "--answers: v.csv is given twice;"),
        ("tally", {**key_and_out, "answers": "v.csv"}, "v.csv: no such file; expected"),
        ("tally", {**key_and_out, "answers": str(answered)}, f"--out={folder}: would overwrite"),
    ]
    asked = json.dumps([(task, given) for task, given, _ in tried])
    done = subprocess.run([sys.executable, "-c", FAULTS, asked], capture_output=True, text=True)
    assert done.stderr == ""
    for line, (_, _, says) in zip(done.stdout.splitlines(), tried, strict=True):
        assert line.startswith(says)
    assert contents(folder) == before
