"""Programs that one process has compiled are all that another one needs."""

import numpy as np
import pytest

from flows import files
from mg_jax import images

from ..mg_jax.models.stable_diffusion import published
from ..programs import program
from .test_killed import CONFIG, H, W

SMALL = (
    "--size=128",
    "--steps=6",
    "--recursions=1",
    "--inversion_iterations=1",
    "--guided_from=0.2",
    "--guided_until=0.6",
)


def photo_and_flow(folder, seed):
    """Flags of a drawn photo and of a flow that is its own, too."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    images.write(folder / "photo.png", rng.integers(0, 256, (H, W, 3), np.uint8))
    flow = np.zeros((H, W, 2), np.float32)
    flow[40:80, 40 + seed : 80] = (24, 3 + seed)
    files.write(folder / "flow.npz", flow)
    return f"--image={folder / 'photo.png'}", f"--flow={folder / 'flow.npz'}"


@pytest.mark.long
def test_after_compile_another_process_compiles_nothing(tmp_path):
    model = published.folder(tmp_path / "model", CONFIG, published.tame(CONFIG))
    kept = tmp_path / "programs"
    common = (*SMALL, f"--model={model}", f"--programs={kept}")
    made = program(
        "experiments.compile", *common, *photo_and_flow(tmp_path / "first", 0), "--prompt=a cup"
    )
    assert made.returncode == 0, made.stderr
    assert "s of it compiling" in made.stdout
    before = {path.name for path in kept.glob("*-cache")}
    assert any(name.startswith("jit_scan") for name in before)
    edited = program(
        "experiments.edit",
        *common,
        *photo_and_flow(tmp_path / "second", 1),
        "--prompt=a red cup",
        "--seed=3",
        f"--out={tmp_path / 'out'}",
    )
    assert edited.returncode == 0, edited.stderr
    assert {path.name for path in kept.glob("*-cache")} == before


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("edit", ()),
        ("compile", ()),
        ("estimate_flow", ()),
        ("evaluate", ("--cases=cases", "--out=out")),
        ("invert", ("--image=photo.png", "--model=model", "--out=path.npz")),
    ],
)
def test_a_place_for_programs_that_cannot_be_made_is_one_line(module, needed, tmp_path):
    place = tmp_path / "file" / "this"
    place.parent.touch()
    run = program(f"experiments.{module}", f"--programs={place}", *needed)
    assert run.returncode == 1
    assert run.stderr.startswith(f"--programs: {place}: ")
    assert run.stderr.count("\n") == 1
