"""What a single file's UNet predicts: whatever states it or shows it decides, and is named."""

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

from mg_jax import schedule
from mg_jax.models.stable_diffusion import converted, loading
from mg_jax.models.stable_diffusion.config import UNetConfig
from mg_jax.models.stable_diffusion.options import LoadingOptions

from . import published
from .published import FIRST, SECOND

# As deep as the published UNets, so that the last transformer has their name.
DEEP = UNetConfig((32,) * 4, (1,) * 4, (True, True, True, False), context=16)
BIAS = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
V, EPS = "v_prediction", "epsilon"


@pytest.fixture(scope="module")
def drawn():
    """Arrays of a 1.x and of a 2.x file, the latter with a bias as narrow as in 2.1-base."""
    second = replace(SECOND, unet=DEEP)
    first = replace(FIRST, unet=replace(DEEP, heads=(8,) * 4))
    files = {
        version: published.original(config, published.draw(config))
        for version, config in ((1, first), (2, second))
    }
    files[2][BIAS] = spread(0.06)
    return files


def spread(deviation, dtype=np.float32):
    return (deviation * np.resize([-1.0, 1.0], 32) + 0.3).astype(dtype)


@pytest.fixture
def write(tmp_path, drawn):
    def write(version, yaml=None, metadata=None, ending=".yaml", **arrays):
        file = tmp_path / f"{version}.safetensors"
        safetensors.numpy.save_file(drawn[version] | arrays, file, metadata)
        if yaml is not None:
            file.with_suffix(ending).write_text(yaml)
        return file

    return write


def found(file, **options):
    origin = loading.inspect(file, options=LoadingOptions(**options)).origin
    return origin.prediction, origin.prediction_by


def complaint(file):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        loading.inspect(file)
    return str(caught.value)


def yaml_of(**params):
    return json.dumps({"model": {"target": "ldm.models.diffusion.ddpm", "params": params}})


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(
    ("deviation", "expected"), [(0.01, EPS), (0.06, EPS), (0.088, EPS), (0.092, V), (0.15, V)]
)
def test_the_weights_of_2_x_show_it(write, deviation, expected, dtype):
    decided, by = found(write(2, **{BIAS: spread(deviation, dtype)}))
    assert decided == expected
    assert "its weights: a bias spreads by" in by


def test_1_x_is_not_judged_by_its_weights(write):
    assert found(write(1, **{BIAS: spread(0.5)})) == (EPS, "its version, 1.x")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v", V),
        ("V", V),
        ("v_prediction", V),
        ("v-prediction", V),
        ("epsilon", EPS),
        (" Epsilon ", EPS),
        ("eps", EPS),
    ],
)
def test_metadata_states_it(write, version, text, expected):
    file = write(version, metadata={"format": "pt", "modelspec.prediction_type": text})
    assert found(file) == (expected, "its metadata, modelspec.prediction_type")


@pytest.mark.parametrize(
    "metadata", [None, {}, {"format": "pt"}, {"modelspec.prediction_type": ""}]
)
def test_without_a_statement_the_weights_decide(write, metadata):
    assert found(write(2, metadata=metadata))[0] == EPS
    assert found(write(2, metadata=metadata, **{BIAS: spread(0.2)}))[0] == V


def test_an_unknown_statement_is_refused_but_where_the_caller_says_it(write):
    file = write(2, metadata={"modelspec.prediction_type": "sample"})
    assert complaint(file) == (
        f"{file}: modelspec.prediction_type is 'sample'; expected epsilon or v: give the prediction"
    )
    assert found(file, prediction=EPS) == (EPS, "as asked for")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("mark", [np.zeros(0, np.float32), np.ones((), np.float16)])
def test_an_array_of_this_name_marks_v(write, version, mark):
    assert found(write(version, v_pred=mark)) == (V, "its array v_pred")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("ending", [".yaml", ".yml"])
@pytest.mark.parametrize(("text", "expected"), [("v", V), ("eps", EPS)])
def test_a_yaml_beside_the_file_states_it(write, version, ending, text, expected):
    file = write(version, yaml=yaml_of(parameterization=text), ending=ending)
    assert found(file) == (expected, f"{version}{ending} beside it")


def test_a_yaml_that_names_none_means_epsilon(write):
    decided, by = found(write(2, yaml=yaml_of(image_size=64), **{BIAS: spread(0.2)}))
    assert decided == EPS
    assert "names no parameterization" in by


def test_another_yaml_says_nothing(write):
    assert found(write(2, yaml="notes: [1, 2]", **{BIAS: spread(0.2)}))[0] == V


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: [", "broken ("),
        (yaml_of(parameterization="x0"), "parameterization is x0; expected eps or v"),
        (yaml_of(linear_end=0.02), "linear_end is 0.02; expected 0.012"),
        ("!!python/object/apply:os.system [touch run]", "broken ("),
    ],
)
def test_a_yaml_that_the_sampler_cannot_honour(write, text, words):
    file = write(1, yaml=text)
    assert complaint(file).startswith(f"{file.with_suffix('.yaml')}: {words}")


def test_statements_that_contradict_each_other_are_refused(write):
    file = write(
        2,
        yaml=yaml_of(parameterization="eps"),
        metadata={"modelspec.prediction_type": "v"},
        v_pred=np.zeros(1, np.float32),
    )
    text = complaint(file)
    for words in ("v_prediction by its metadata", "v_prediction by its array", "epsilon by 2.yaml"):
        assert words in text
    assert found(file, prediction=V) == (V, "as asked for")


@pytest.mark.parametrize(
    ("content", "size"),
    [
        ({}, 512),
        ({BIAS: spread(0.2)}, 768),
        ({"metadata": {"modelspec.resolution": "768x768"}}, 768),
        ({"metadata": {"modelspec.resolution": "640x960"}}, 768),
        ({"metadata": {"modelspec.resolution": "unknown"}}, 512),
        ({BIAS: spread(0.2), "metadata": {"modelspec.resolution": "512x512"}}, 512),
        # Latents of these tiny networks are half as wide as pictures, not an eighth.
        ({"yaml": yaml_of(parameterization="v", image_size=384)}, 768),
    ],
)
def test_the_own_size_is_stated_or_that_of_the_published_models(write, content, size):
    assert loading.inspect(write(2, **content)).size == size


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("ztsnr", np.zeros(0, np.float32)),
        ("edm_vpred.sigma_max", np.ones((), np.float32)),
        ("alphas_cumprod", np.linspace(1, 0, 1000)),
    ],
)
def test_a_model_for_other_noise_levels_is_refused(write, name, array):
    assert name in complaint(write(1, v_pred=np.zeros(1), **{name: array}))


def test_noise_levels_that_are_ours_are_none_of_a_fault(write):
    alphas = schedule.stable_diffusion_alphas()
    assert found(write(1, alphas_cumprod=alphas.astype(np.float32)))[0] == EPS


@pytest.mark.long
def test_it_stands_in_the_converted_folder(tmp_path, write):
    checkpoint = loading.inspect(write(2))
    converted.write(tmp_path / "kept", checkpoint, loading.take(checkpoint).weights)
    content = json.loads((tmp_path / "kept" / "config.json").read_text())
    assert content["config"]["prediction"] == EPS
    assert content["origin"]["prediction_by"] == checkpoint.prediction_by
    origin = loading.load(tmp_path / "kept").origin
    assert (origin.prediction, origin.prediction_by) == (
        EPS,
        f"config.json: {checkpoint.prediction_by}",
    )
    other = loading.load(tmp_path / "kept", LoadingOptions(prediction=V))
    assert (other.config.prediction, other.origin.prediction_by) == (V, "as asked for")
