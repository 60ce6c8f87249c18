"""What is asked of the hub, which stands in for itself here: no test reaches the network."""

import importlib.util
import json
from types import SimpleNamespace

import huggingface_hub
import jax.numpy as jnp
import pytest
from huggingface_hub import errors

from mg_jax.models.stable_diffusion import hub, loading
from mg_jax.models.stable_diffusion.options import LoadingOptions

NAME = "someone/some-model"
NAMES = [
    "model_index.json",
    "v1-5-pruned.ckpt",
    *(
        f"{network}/{stem}{kind}"
        for network, stem in {
            "unet": "diffusion_pytorch_model",
            "vae": "diffusion_pytorch_model",
            "text_encoder": "model",
            "safety_checker": "model",
        }.items()
        for kind in (".safetensors", ".fp16.safetensors", ".bin")
    ),
]


def failure(kind):
    """An error of the hub's client, made without the answer that it wants."""
    return kind.__new__(kind, "told")


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What was downloaded: patterns, and whether from the local copies only."""
    asked = []

    def snapshot_download(name, allow_patterns, local_files_only=False, revision=None):
        assert name == NAME
        asked.append((allow_patterns, local_files_only, *([revision] if revision else [])))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def nothing(*_, **__):
    """No local copy."""
    raise errors.LocalEntryNotFoundError("nothing")


def answer(monkeypatch, result, revision=None):
    def model_info(_, name, timeout, **options):
        assert (name, timeout, options.get("revision")) == (NAME, 10, revision)
        if isinstance(result, Exception):
            raise result
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in result])

    monkeypatch.setattr(huggingface_hub, "HfApi", type("Api", (), {"model_info": model_info}))


@pytest.mark.parametrize(
    ("dtype", "kind"), [(jnp.float32, ""), (jnp.bfloat16, ".fp16"), (jnp.float16, ".fp16")]
)
def test_one_precision_of_the_three_networks_is_downloaded(
    monkeypatch, asked, tmp_path, dtype, kind
):
    answer(monkeypatch, NAMES)
    assert loading.find(NAME, dtype) == tmp_path
    ((patterns, local),) = asked
    assert not local
    assert [one for one in patterns if "safetensors" in one] == [
        f"unet/diffusion_pytorch_model{kind}.safetensors",
        f"vae/diffusion_pytorch_model{kind}.safetensors",
        f"text_encoder/model{kind}.safetensors",
    ]
    assert all(one.endswith((".safetensors", ".json", ".txt")) for one in patterns)


def test_shards_come_with_their_index():
    names = [name for name in NAMES if not name.startswith("unet/")]
    index = "unet/diffusion_pytorch_model.safetensors.index.json"
    patterns = hub.wanted(NAME, [*names, index], jnp.float32)
    assert {index, "unet/*-of-*.safetensors"} <= set(patterns)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["sd-v1-4.ckpt"], "has no model_index.json on the hub"),
        ([n for n in NAMES if "vae/" not in n or n.endswith(".bin")], "no safetensors in vae/"),
    ],
)
def test_models_in_other_layouts_are_refused(monkeypatch, asked, names, words):
    answer(monkeypatch, names)
    with pytest.raises(ValueError, match=f"{NAME}: .*{words}"):
        loading.find(NAME)
    assert asked == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (errors.RepositoryNotFoundError, "neither a folder here nor a public model"),
        (errors.GatedRepoError, "hf auth login"),
    ],
)
def test_models_that_are_not_given_out(monkeypatch, kind, words):
    answer(monkeypatch, failure(kind))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing)
    with pytest.raises(ValueError, match=f"{NAME}: .*{words}") as caught:
        loading.find(NAME)
    assert "\n" not in str(caught.value)


GONE = [
    failure(errors.RepositoryNotFoundError),
    failure(errors.GatedRepoError),
    failure(errors.RevisionNotFoundError),
    failure(errors.HfHubHTTPError),
    ConnectionError("Name or service not known\nand more"),
    json.JSONDecodeError("Expecting value", "<html>", 0),
    TimeoutError("slow"),
]


@pytest.mark.parametrize("error", GONE, ids=lambda error: type(error).__name__)
def test_a_local_copy_serves_where_the_hub_has_the_model_no_longer(
    monkeypatch, asked, tmp_path, error
):
    answer(monkeypatch, error)
    assert loading.find(NAME) == tmp_path
    assert [local for _, local in asked] == [True]


def test_without_a_network_and_a_copy_the_reason_is_told(monkeypatch):
    answer(monkeypatch, ConnectionError("Name or service not known\nand more"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing)
    with pytest.raises(ValueError, match="cannot be reached") as caught:
        loading.find(NAME)
    assert str(caught.value).endswith("(Name or service not known)")


@pytest.mark.parametrize(
    "error",
    [
        json.JSONDecodeError("Expecting value", "<html>", 0),
        RuntimeError("<!DOCTYPE html><title>Log in to the hotel's network</title>"),
        AttributeError("'str' object has no attribute 'get'"),
    ],
)
def test_the_page_of_a_portal_is_told_as_such(monkeypatch, error):
    answer(monkeypatch, error)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing)
    with pytest.raises(ValueError, match=f"^{NAME}: no such file or folder, and") as caught:
        loading.find(NAME)
    assert str(caught.value).endswith(
        "(its answer is not the hub's: a page of the network's portal, perhaps)"
    )


def test_a_page_in_the_place_of_a_description_is_told_as_such(tmp_path):
    (tmp_path / "model_index.json").write_text("<!DOCTYPE html><html></html>")
    with pytest.raises(ValueError, match=r"model_index\.json: broken \(it is a web page: download"):
        loading.inspect(tmp_path)


@pytest.mark.parametrize("owner", ["someone", "some-model"])
def test_a_folder_named_like_the_owner_does_not_hide_the_id(monkeypatch, asked, tmp_path, owner):
    monkeypatch.chdir(tmp_path)
    (tmp_path / owner).mkdir()
    answer(monkeypatch, NAMES)
    assert loading.find(NAME) == tmp_path
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("source", "options", "revision"),
    [
        (f"{NAME}@v1.0", {}, "v1.0"),
        (NAME, {"revision": "fp16"}, "fp16"),
        (f"{NAME}@refs/pr/3", {}, "refs/pr/3"),
        (f"{NAME}@main", {"revision": "main"}, "main"),
    ],
)
def test_a_revision_is_asked_for(monkeypatch, asked, tmp_path, source, options, revision):
    answer(monkeypatch, NAMES, revision)
    assert loading.find(source, options=LoadingOptions(**options)) == tmp_path
    ((_, local, asked_for),) = asked
    assert (local, asked_for) == (False, revision)


def test_two_revisions_are_refused(asked):
    with pytest.raises(ValueError, match=f"^revision: b, but {NAME}@a says a; expected one"):
        loading.find(f"{NAME}@a", options=LoadingOptions(revision="b"))
    assert asked == []


def test_a_revision_of_what_lies_here_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^revision: of the hub, but .* lies here; expected none"):
        loading.find(tmp_path, options=LoadingOptions(revision="main"))


@pytest.mark.parametrize("file", ["v1-5.safetensors", "sub/v1-5.safetensors"])
def test_a_single_file_of_a_repository_is_downloaded_with_its_yaml(
    monkeypatch, asked, tmp_path, file
):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"weights")
    yaml = file.replace("safetensors", "yaml")
    answer(monkeypatch, [*NAMES, file, yaml, "other.yaml"])
    assert loading.find(f"{NAME}/{file}") == tmp_path / file
    assert asked == [([file, yaml], False)]


def test_a_single_file_that_was_downloaded_serves_without_a_network(monkeypatch, asked, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    answer(monkeypatch, ConnectionError("no network"))
    assert loading.find(f"{NAME}/a.safetensors") == tmp_path / "a.safetensors"
    assert asked == [(["a.safetensors"], True)]
    with pytest.raises(ValueError, match="cannot be reached"):
        loading.find(f"{NAME}/b.safetensors")


def test_a_single_file_that_is_not_there_is_told_with_those_that_are(monkeypatch, asked):
    answer(monkeypatch, [*NAMES, "a.safetensors"])
    with pytest.raises(
        ValueError, match=r"no such file; it has v1-5-pruned\.ckpt, a\.safetensors$"
    ):
        loading.find(f"{NAME}/c.safetensors")
    assert asked == []


def test_a_repository_of_single_files_names_them(monkeypatch, asked):
    answer(monkeypatch, ["a.safetensors", "README.md"])
    with pytest.raises(ValueError, match=f"or one of its files: {NAME}/a.safetensors$"):
        loading.find(NAME)
    assert asked == []


PICKLED = [one for one in NAMES if not one.endswith("safetensors")]
RARE = [
    one.replace("el.bin", "el.fp16.bin").replace("unet/diffusion_pytorch_model.fp16", "unet/x")
    for one in PICKLED
] + ["unet/diffusion_pytorch_model.non_ema.bin"]
TEXT = "text_encoder/pytorch_model"


@pytest.mark.parametrize(
    ("names", "weights"),
    [
        (
            [*PICKLED, f"{TEXT}.bin"],
            ["unet/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.bin", f"{TEXT}.bin"],
        ),
        (
            [*RARE, f"{TEXT}.fp16.bin"],
            [
                "unet/diffusion_pytorch_model.non_ema.bin",
                "vae/diffusion_pytorch_model.fp16.bin",
                f"{TEXT}.fp16.bin",
            ],
        ),
    ],
)
@pytest.mark.parametrize("torch", [True, False])
def test_pickles_alone_are_downloaded_where_torch_reads_them(
    monkeypatch, asked, names, weights, torch
):
    answer(monkeypatch, names)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if torch and name == "torch" else None
    )
    if torch:
        loading.find(NAME)
        assert [one for one in asked[0][0] if one.endswith(".bin")] == weights
    else:
        with pytest.raises(ValueError, match=r"needs torch, .* \(pip install torch\)$"):
            loading.find(NAME)
        assert asked == []


def test_a_variant_is_downloaded_and_a_wrong_one_is_told(monkeypatch, asked):
    answer(monkeypatch, [*NAMES, "unet/diffusion_pytorch_model.non_ema.safetensors"])
    loading.find(NAME, options=LoadingOptions(variant="non_ema"))
    assert [one for one in asked[0][0] if one.endswith(".safetensors")] == [
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    ]
    with pytest.raises(ValueError, match=f"^variant: ema is not in {NAME}; expected fp16 or non_e"):
        loading.find(NAME, options=LoadingOptions(variant="ema"))


@pytest.mark.parametrize(
    ("names", "patterns"),
    [
        (
            ["config.json", "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"],
            ["config.json", "diffusion_pytorch_model.safetensors"],
        ),
        (
            [*NAMES, "vae/config.json"],
            ["vae/config.json", "vae/diffusion_pytorch_model.safetensors"],
        ),
    ],
)
def test_of_an_autoencoder_only_its_own_files_are_downloaded(names, patterns):
    assert hub.wanted_vae(NAME, names, jnp.float32) == patterns


def test_a_model_with_another_autoencoder_need_not_have_one(monkeypatch, asked):
    answer(monkeypatch, [one for one in NAMES if not one.startswith("vae/")])
    loading.find(NAME, options=LoadingOptions(vae="other"))
    assert not any("vae/diffusion" in one for one in asked[0][0])
