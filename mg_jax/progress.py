"""Show a run's progress as a bar."""

from tqdm import tqdm

from mg_jax import devices
from mg_jax.sample import Step


def show(bar: "tqdm[None]", step: Step) -> None:
    """Advance a bar by a step; each phase starts it again. Shows the first sample's last energy."""
    if step.done == 1:
        bar.reset(step.levels)
        bar.set_description_str(step.phase.replace("_", "-"))
    if step.info is not None:
        energy = devices.local(step.info.energy)
        bar.set_postfix(energy=f"{energy.reshape(-1, energy.shape[-1])[-1, 0]:.3g}", refresh=False)
    bar.update()
