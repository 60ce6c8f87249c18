"""What guides: the target on the energy's grid, in the reference's units."""

import jax.numpy as jnp
import numpy as np
import pytest

from flows import raft
from flows.geometry import occlusion_mask
from mg_jax import guiding
from mg_jax.models.patch.settings import PatchSettings

H, W = 40, 60
UNMASKED = PatchSettings(occlusion_masking=False)
SEEN = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (1, H, W, 3)), jnp.float32)


def flow(dx=8.0):
    field = np.zeros((H, W, 2), np.float32)
    field[10:20, 10:20, 0] = dx
    return field


def target(size=50, settings=None, moved=None):
    return guiding.target(
        SEEN,
        flow() if moved is None else moved,
        size,
        settings or PatchSettings(),
        2.0,
        lambda params, image: params * image,
    )


def test_the_source_is_seen_by_the_flow_network_once():
    found = target()
    np.testing.assert_array_equal(found.features, 2 * SEEN)
    np.testing.assert_array_equal(found.source, SEEN)


def test_the_flow_loss_counts_pixels_at_512():
    assert target(size=512).flow_unit == 1
    assert target(size=128).flow_unit == 4


def test_covered_pixels_are_left_out_unless_asked_otherwise():
    expected = np.asarray(occlusion_mask(jnp.asarray(flow())), np.float32)
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(target().visible[0, ..., 0], expected)
    np.testing.assert_array_equal(target(settings=UNMASKED).visible, 1)


def test_the_caller_may_say_what_is_covered():
    covered = np.zeros((H, W), bool)
    covered[5:9, 30:50] = True
    for settings, hidden in ((PatchSettings(), covered), (UNMASKED, np.zeros_like(covered))):
        found = guiding.target(
            SEEN, flow(), 50, settings, 2.0, lambda params, image: params * image, covered
        )
        np.testing.assert_array_equal(found.visible[0, ..., 0], ~hidden)


@pytest.mark.parametrize(("down", "across"), [(2, 3), (1, 2)])
def test_a_larger_flow_is_brought_to_the_grid_with_its_pixels(down, across):
    large = np.repeat(np.repeat(flow(), down, axis=0), across, axis=1)
    large[..., 0] *= across
    np.testing.assert_allclose(target(moved=large).flow[0], flow(), rtol=1e-6)


def test_energies_are_made_once():
    network = raft.load()
    for energy in (guiding.energy, guiding.energy_from_target):
        assert energy(network, False) is energy(network, False)
        assert energy(network, False) is not energy(network, True)
