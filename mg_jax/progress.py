"""Show a run's progress as a bar."""

from tqdm import tqdm

from mg_jax import devices
from mg_jax.sample import Step


def show(bar: "tqdm[None]", step: Step) -> None:
    """Advance a bar by a step; each phase starts it again. Shows the first sample's last energy.

    A phase that goes on after a stop starts where it was stopped.
    """
    if step.done == 1 or not bar.n:
        bar.reset(step.levels)
        bar.initial = bar.n = step.done - 1
        bar.set_description_str(step.phase.replace("_", "-"))
    if step.info is not None:
        energy = devices.local(step.info.energy)
        bar.set_postfix(energy=f"{energy.reshape(-1, energy.shape[-1])[-1, 0]:.3g}", refresh=False)
    bar.update()
