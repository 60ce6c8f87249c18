"""Random motions are words that `flows.motions` reads, and that move something."""

import numpy as np
import pytest

from experiments import random_motions
from experiments.portable_rng import Chance
from flows import motions

EXTENT = random_motions.Extent([40, 50], [99, 89], 160)
WORDS = {"enlarge": "scale", "shrink": "scale", "half_turn": "rotate"}
MASK = np.zeros((160, 160), bool)
MASK[50:90, 40:100] = True


@pytest.mark.parametrize("kind", random_motions.KINDS)
def test_every_motion_of_a_kind_suits_the_box_it_was_drawn_for(kind):
    for seed in range(40):
        words = random_motions.draw(Chance(seed), kind, EXTENT)
        flow = motions.field(motions.parse(words), MASK)
        assert words.split()[0] == WORDS.get(kind, kind)
        assert np.isfinite(flow).all()
        assert np.linalg.norm(flow, axis=-1).max() > 2


def test_a_translation_is_neither_small_nor_beyond_half_the_picture():
    for seed in range(40):
        words = random_motions.draw(Chance(seed), "translate", EXTENT)
        flow = motions.field(motions.parse(words), MASK)
        assert 0.11 * 160 < np.linalg.norm(flow[60, 60]) < 0.51 * 160


@pytest.mark.parametrize("kind", random_motions.KINDS)
def test_motions_grow_with_the_picture(kind):
    """The same chance, in a picture twice the size, is the same motion."""
    double = random_motions.Extent([80, 100], [198, 178], 320)
    large = np.zeros((320, 320), bool)
    large[100:179, 80:199] = True
    small = np.zeros((160, 160), bool)
    small[50:90, 40:100] = True
    one = motions.field(motions.parse(random_motions.draw(Chance(4), kind, EXTENT)), small)
    two = motions.field(motions.parse(random_motions.draw(Chance(4), kind, double)), large)
    assert np.abs(two[100:178:2, 80:198:2] - 2 * one[50:89, 40:99]).max() < 1
