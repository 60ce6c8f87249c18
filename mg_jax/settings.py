"""Settings shared by all models; each model has its own defaults and ranges."""

import dataclasses
import inspect
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_type_hints


class Help(NamedTuple):
    """A field's description: one line, which programs show for its flag."""

    text: str


class Field(NamedTuple):
    """A field of a settings class, for programs that make a flag of it."""

    name: str
    kind: type  # int, float, bool or str
    help: str
    default: Any  # None: the model's own
    choices: tuple[str, ...]  # allowed values of a str, else empty


@dataclass(frozen=True)
class Settings:
    """Strengths as in the paper, and the sampler's size and steps.

    Raises:
        ValueError: a value is out of range; the message begins with its name.
    """

    size: Annotated[int | None, Help("Side of the square with the work's area, pixels.")]
    steps: Annotated[int, Help("Noise levels.")]
    recursions: Annotated[int, Help("Evaluations of each guided level (the paper's K).")]
    guidance_weight: Annotated[float, Help("Weight of the energy.")]
    color_weight: Annotated[float, Help("Weight of the colour loss.")]
    flow_weight: Annotated[float, Help("Weight of the flow loss.")]
    clip: Annotated[float, Help("Largest norm of the guidance.")]
    occlusion_masking: Annotated[bool, Help("Leave covered pixels out of the colour loss.")]
    oracle_flow: Annotated[bool, Help("Compare colours along the target flow throughout.")]
    gradient_every: Annotated[int, Help("Recursions of a level that share one gradient.")]
    gradient_through: Annotated[
        str, Help("What gradients go through: the denoiser, too, or only what follows it.")
    ]

    SIZES: ClassVar[range]
    CHECKPOINT_EVERY: ClassVar[int]  # levels after which programs save a run; 0: never
    STEPS: ClassVar[range]
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {"gradient_through": ("denoiser", "estimate")}

    def __post_init__(self) -> None:
        """Check every range."""
        self._check_size()
        if self.steps not in self.STEPS:
            raise ValueError(f"steps: {self.steps}; expected {self.STEPS[0]} to {self.STEPS[-1]}")
        if not 1 <= self.recursions <= 100:
            raise ValueError(f"recursions: {self.recursions}; expected 1 to 100")
        if not 1 <= self.gradient_every <= 100:
            raise ValueError(f"gradient_every: {self.gradient_every}; expected 1 to 100")
        for name, known in self.CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: {getattr(self, name)!r}; expected {' or '.join(known)}")
        for name in ("guidance_weight", "color_weight", "flow_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: {getattr(self, name)}; expected a finite number >= 0")
        if not 0 < self.clip < float("inf"):
            raise ValueError(f"clip: {self.clip}; expected a finite number > 0")

    def _check_size(self) -> None:
        if self.size not in self.SIZES:
            raise ValueError(
                f"size: {self.size}; expected a multiple of {self.SIZES.step}"
                f" from {self.SIZES[0]} to {self.SIZES[-1]}"
            )


def fields(settings: Settings) -> list[Field]:
    """List the fields of a model's settings, in order; `settings` holds the defaults.

    A field's help is taken from the class itself, or else from the nearest base class that has one.
    """
    listed = []
    hints = get_type_hints(type(settings))
    for field in dataclasses.fields(settings):
        notes = [
            get_args(inspect.get_annotations(base).get(field.name))
            for base in type(settings).__mro__
        ]
        help_ = next(note.text for of in notes for note in of if isinstance(note, Help))
        default = getattr(settings, field.name)
        choices = settings.CHOICES.get(field.name, ())
        hint = hints[field.name]
        kind = next(part for part in (*get_args(hint), hint) if part is not NoneType)
        listed.append(Field(field.name, kind, help_, default, choices))
    return listed
