"""Draws that everybody gets."""

import pytest

from experiments.portable_rng import Chance


def test_the_same_seed_draws_the_same_and_another_draws_else():
    first, again, other = Chance(3, 1), Chance(3, 1), Chance(3, 2)
    draws = [first.between(0, 1) for _ in range(20)]
    assert draws == [again.between(0, 1) for _ in range(20)]
    assert draws != [other.between(0, 1) for _ in range(20)]


def test_the_stream_is_pcg64s_on_every_machine():
    chance = Chance(0, 0)
    assert [chance.between(0, 1000) for _ in range(3)] == [636.962, 269.787, 40.974]


def test_draws_stay_in_their_range_and_reach_all_of_it():
    chance = Chance(5)
    numbers = [chance.between(-2, 3) for _ in range(500)]
    assert min(numbers) >= -2
    assert max(numbers) <= 3
    assert min(numbers) < -1.9
    assert max(numbers) > 2.9
    assert {chance.pick("abc") for _ in range(100)} == set("abc")


def test_what_happens_happens_as_often_as_it_should():
    chance = Chance(6)
    share = sum(chance.happens(0.3) for _ in range(2000)) / 2000
    assert share == pytest.approx(0.3, abs=0.05)
    assert not any(chance.happens(0) for _ in range(100))
