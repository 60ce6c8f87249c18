r"""Compile what an edit needs, before it is needed, for the devices at hand.

    python -m experiments.compile --programs=gs://bucket/programs --model=sd-v1-4.safetensors \
        --size=512 --dtype=bfloat16 --image=photo.jpg --motion="translate dx=150 dy=0" \
        --object_mask=mask.png

The flags are those of experiments.edit. The edit is run, too, but of Stable Diffusion's levels only
as many as show all programs, and its result is thrown away. experiments.edit with the same flags
then finds its programs in --programs, on this machine or another one of its kind. They depend on
jax and its devices, on the photo's shape, the model, --steps and other settings; not on the photo
itself, its motion, the prompt's words or the seed.
"""

from absl import flags

from experiments import command, edit, host_flags, program_flags
from mg_jax import api, compilation, history, running, sample

flags.adopt_module_key_flags(edit)


def main() -> None:
    """Run a few levels of the edit, and all that comes before and after them."""
    host_flags.start()
    program_flags.keep()
    request, _ = edit.asked()
    with compilation.spent() as spent:
        phases = sample.shortened(request.model.edit(request))
        edited, recording = running.run(phases, request.keys.size)
        rows = history.of_samples(recording.history, 0, request.samples)
        api.measured(request, edited, rows)
    print(f"{spent['seconds']:.0f} s, {spent['seconds_compile']:.0f} s of it compiling")


if __name__ == "__main__":
    command.run(main)
