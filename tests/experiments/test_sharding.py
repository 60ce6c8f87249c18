"""Which cases are whose."""

import pytest

from experiments import sharding


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_each_case_is_in_one_shard(count):
    cases = list("abcdefg")
    shards = [sharding.read(f"{i}/{count}").own(cases) for i in range(count)]
    assert sorted(case for shard in shards for case in shard) == cases
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["2/2", "-1/2", "1", "0/0", "a/b", ""])
def test_another_text_is_refused(text):
    with pytest.raises(ValueError, match=rf"^--shard: {text}; expected auto, or 0/4 [^\n]*$"):
        sharding.read(text)


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_PROCID": "2", "SLURM_NTASKS": "3"},
        {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3"},
    ],
)
def test_what_starts_processes_says_which_this_is(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sharding.read("auto") == (2, 3)


def test_nothing_says_which_this_is():
    with pytest.raises(ValueError, match=r"^--shard: auto, but nothing says [^\n]*; expected "):
        sharding.read("auto")
