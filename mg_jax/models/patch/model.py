"""The patch model as a `Model`."""

from collections.abc import Iterator, Sequence

from mg_jax import networks
from mg_jax.interfaces import ModelResult, Request
from mg_jax.models.patch import coarse_to_fine, film
from mg_jax.models.patch.enlarging import region_of, work_motion
from mg_jax.models.patch.motion import LayeredMotion
from mg_jax.models.patch.patch_sources import Scene
from mg_jax.models.patch.settings import PatchSettings
from mg_jax.sample import Phases


class Patch:
    """The photo's own patches as a diffusion prior; it needs no weights."""

    name = "patch"
    settings = PatchSettings()
    accepts = frozenset({"order", "settings", "energy"})

    def check(self, request: Request) -> Request:
        """Load the flow network; nothing else can fail. Raises ValueError if it cannot be read."""
        networks.flow_network(request.flow_model)
        return request

    def edit(self, request: Request) -> Phases[ModelResult]:
        """Sample on the coarse grid, as one phase, then match on the fine grid."""
        motion = work_motion(request.image, request.motion, request.order)
        return (yield from _edit(request, motion))

    def film(self, request: Request, shares: Sequence[float]) -> Iterator[Phases[ModelResult]]:
        """Sample each frame by itself, before the same background."""
        assert isinstance(request.settings, PatchSettings)
        for frame in film.of_request(request, request.settings, shares):
            yield _edit(request, frame.motion, frame.apart)


def _edit(
    request: Request, motion: LayeredMotion, apart: Scene | None = None
) -> Phases[ModelResult]:
    assert isinstance(request.settings, PatchSettings)
    return (
        yield from coarse_to_fine.edit(
            request.image,
            motion,
            region_of(request.image, motion, request.keep_mask),
            networks.flow_network(request.flow_model),
            request.keys,
            request.settings,
            request.ramp,
            request.energy,
            request.mesh,
            apart,
        )
    )
