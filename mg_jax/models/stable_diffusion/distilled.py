"""Recognise, by name, models that were distilled to a few steps.

Nothing else tells them from others: their networks have the same form. Sampling takes many steps
here, with guidance by the prompt, which such models were not made for.
"""

import re

_NAMES = re.compile(
    r"turbo|lcm|tcd|hyper[-_ ]?sd|lightning|distill|consistency|schnell|[-_ ]dmd", re.IGNORECASE
)


def notes(*names: object) -> tuple[str, ...]:
    """What a user should be told, if one of a model's names sounds so; at most one line."""
    for name in names:
        if isinstance(name, str) and _NAMES.search(name):
            return (
                f"the name {name} sounds like a model distilled to a few steps; here it is sampled"
                " in many, which does not suit such a one",
            )
    return ()
