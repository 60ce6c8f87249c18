"""Making cases from the command line."""

import hashlib

import pytest

from mg_jax import cases, images

from ..programs import program


def run(*flags):
    return program("experiments.make_cases", *flags)


def test_it_writes_whole_cases_with_answers(tmp_path):
    done = run(f"--out={tmp_path / 'made'}", "--count=2", "--size=128", "--seed=3")
    assert (done.returncode, done.stderr) == (0, "")
    folders = cases.find(tmp_path / "made")
    assert len(folders) == 2
    for folder in folders:
        case = cases.read(folder)
        assert case.answer is not None
        assert case.answer.shape == case.source.shape == (128, 128, 3)
        assert case.prompt
    again = run(f"--out={tmp_path / 'made'}", "--count=2", "--size=128", "--seed=3")
    assert again.returncode == 1
    assert "exists already" in again.stderr


def test_hard_cases_are_made_of_each_kind_with_order_and_masks(tmp_path):
    done = run(f"--out={tmp_path / 'made'}", "--kinds=crossing,pan", "--count=1", "--size=128")
    assert (done.returncode, done.stderr) == (0, "")
    crossing, pan = map(cases.read, cases.find(tmp_path / "made"))
    assert (crossing.name, pan.name) == ("crossing_000", "pan_000")
    assert (pan.order == 1).all()
    for layer in (1, 2):
        mask = images.read_mask(tmp_path / "made" / "crossing_000" / f"mask_{layer}.png")
        assert (mask == (crossing.order == layer)).all()


def test_without_kinds_the_bytes_are_as_ever(tmp_path):
    done = run(f"--out={tmp_path / 'made'}", "--count=2", "--size=128", "--seed=0")
    assert done.returncode == 0
    digest = hashlib.sha256()
    for path in sorted((tmp_path / "made").rglob("*.*")):
        digest.update(path.name.encode() + path.read_bytes())
    assert digest.hexdigest() == "059472a45ef413e0a75612a3bb4e373fec4e542068e9cf8398e5f84e061b12aa"


@pytest.mark.parametrize(
    ("flag", "named"),
    [
        ("--count=0", "--count"),
        ("--size=16", "--size"),
        ("--kinds=", "--kinds: unknown ''; expected some of crossing, "),
        ("--kinds=crossing,flying", "--kinds: unknown 'flying'; expected some of crossing, "),
        ("--photos=nowhere", "nowhere"),
        ("--cutouts=nowhere", "nowhere"),
    ],
)
def test_bad_input_is_one_line_that_names_it(tmp_path, flag, named):
    done = run(f"--out={tmp_path / 'made'}", flag)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not (tmp_path / "made").exists()
