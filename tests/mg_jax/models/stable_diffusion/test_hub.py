"""What is asked of the hub, which stands in for itself here: no test reaches the network."""

from types import SimpleNamespace

import huggingface_hub
import jax.numpy as jnp
import pytest
from huggingface_hub import errors

from mg_jax.models.stable_diffusion import hub, loading

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

    def snapshot_download(name, allow_patterns, local_files_only=False):
        assert name == NAME
        asked.append((allow_patterns, local_files_only))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def answer(monkeypatch, result):
    def model_info(_, name, timeout):
        assert (name, timeout) == (NAME, 10)
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
def test_models_that_are_not_given_out(monkeypatch, asked, kind, words):
    answer(monkeypatch, failure(kind))
    with pytest.raises(ValueError, match=f"{NAME}: .*{words}") as caught:
        loading.find(NAME)
    assert "\n" not in str(caught.value)
    assert asked == []


def test_without_a_network_the_local_copy_serves(monkeypatch, asked, tmp_path):
    answer(monkeypatch, ConnectionError("Name or service not known\nand more"))
    assert loading.find(NAME) == tmp_path
    assert [local for _, local in asked] == [True]


def test_without_a_network_and_a_copy_the_reason_is_told(monkeypatch):
    answer(monkeypatch, ConnectionError("Name or service not known\nand more"))

    def nothing(*_, **__):
        raise errors.LocalEntryNotFoundError("nothing")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing)
    with pytest.raises(ValueError, match="cannot be reached") as caught:
        loading.find(NAME)
    assert str(caught.value).endswith("(Name or service not known)")
