"""What a diffusers folder's JSON files say: sizes, and samplers that ours may take the place of."""

import json
from dataclasses import replace

import pytest

from mg_jax.models.stable_diffusion import descriptions
from mg_jax.models.stable_diffusion.config import VAEConfig

from . import published

CONFIG = replace(published.FIRST, vae=VAEConfig((32,) * 4, layers=1))  # latents are 1/8 as wide
SCHEDULER, UNET = "scheduler/scheduler_config.json", "unet/config.json"


@pytest.fixture
def read(tmp_path):
    """Read a folder of JSON files alone, of which some entries are others."""

    def read(**changes):
        for name, content in published.descriptions(CONFIG).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(json.dumps(content | changes.get(name, {})))
        return descriptions.read_folder(tmp_path)

    return read


@pytest.mark.parametrize(
    ("sample_size", "size"),
    [(64, 512), (96, 768), ([96, 96], 768), ([64, 96], 640), (32, 256), (8, 128)],
)
def test_the_unets_own_size_is_the_models(read, sample_size, size):
    assert read(**{UNET: {"sample_size": sample_size}}).size == size


@pytest.mark.parametrize("entries", [{}, {"sample_size": None}])
def test_a_model_that_names_no_size_has_the_usual_one(read, entries):
    assert read(**{UNET: entries}).size == 512


@pytest.mark.parametrize("sample_size", [0, -64, "large", [], [64, 0], 64.5, True])
def test_a_size_that_is_none_is_refused(read, sample_size):
    with pytest.raises(ValueError, match=r"unet/config\.json: sample_size is .*; expected numbers"):
        read(**{UNET: {"sample_size": sample_size}})


@pytest.mark.parametrize(
    "entries",
    [
        {"_class_name": "PNDMScheduler", "steps_offset": 1, "skip_prk_steps": True},
        {"_class_name": "DDIMScheduler", "timestep_spacing": "leading", "clip_sample": False},
    ],
)
def test_the_published_samplers_need_no_word(read, entries):
    assert read(**{SCHEDULER: entries}).notes == ()


@pytest.mark.parametrize(
    "entries",
    [
        {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"},
        {"_class_name": "EulerAncestralDiscreteScheduler"},
        {"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True},
        {"_class_name": "LMSDiscreteScheduler"},
        {"_class_name": "UniPCMultistepScheduler"},
        {"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"},
    ],
)
def test_another_sampler_is_named_with_what_takes_its_place(read, entries):
    (note,) = read(**{SCHEDULER: entries}).notes
    assert entries["_class_name"] in note
    assert note.endswith("the paper's DDIM samples instead, on the same levels")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (
            {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"},
            "timestep_spacing is trailing, of EulerDiscreteScheduler (as SD Turbo's",
        ),
        (
            {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"},
            "timestep_spacing is trailing",
        ),
        ({"_class_name": "LCMScheduler"}, "LCMScheduler (of a latent consistency model"),
        ({"_class_name": "TCDScheduler"}, "TCDScheduler (of a model distilled"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "(unknown)"),
        ({"_class_name": "EDMEulerScheduler"}, "(unknown)"),
        ({"_class_name": ["a"]}, "(unknown)"),
        (
            {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True},
            "rescale_betas_zero_snr is true; expected false",
        ),
        (
            {"_class_name": "DPMSolverMultistepScheduler", "use_flow_sigmas": True},
            "use_flow_sigmas is true; expected false",
        ),
    ],
)
def test_models_that_are_not_for_our_sampler_are_refused(read, entries, words):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        read(**{SCHEDULER: entries})
    assert words in str(caught.value)
    assert SCHEDULER in str(caught.value)


def test_a_pipeline_of_latent_consistency_is_named(read):
    with pytest.raises(ValueError, match="a latent consistency model, distilled to a few steps"):
        read(**{"model_index.json": {"_class_name": "LatentConsistencyModelPipeline"}})


@pytest.mark.parametrize("name", ["stabilityai/sd-turbo", "SimianLuo/LCM_Dreamshaper_v7"])
@pytest.mark.parametrize("file", ["model_index.json", UNET])
def test_a_name_of_a_distilled_model_is_noted(read, file, name):
    (note,) = read(**{file: {"_name_or_path": name}}).notes
    assert note.startswith(f"the name {name} sounds like a model distilled to a few steps")
