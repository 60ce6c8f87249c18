"""The flag of programs that keep what they compile."""

from absl import flags

from experiments import reading
from mg_jax import compilation

_programs = flags.DEFINE_string(
    "programs",
    None,
    "Where compiled programs are kept: a folder, or a bucket as gs://bucket/programs, so that new"
    " machines find them (default: mg_jax/programs in ~/.cache).",
)


def keep() -> None:
    """Keep compiled programs where the flag says.

    Raises:
        ValueError: it cannot be made; the line begins with the flag.
    """
    with reading.named({}):
        compilation.keep_programs(_programs.value)
