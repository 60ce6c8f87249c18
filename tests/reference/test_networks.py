"""UNet and autoencoder against diffusers', with the same drawn parameters, in float32.

    python -m tests.reference.test_networks            stores the tiny networks' numbers
    python -m tests.reference.test_networks v1 unet    compares at full size: v1 or v2, unet or vae

The full sizes take minutes and up to 12 GB each, so they are not part of the suite.
"""

from flows.nn import tracing

from . import torchvision_operators  # noqa: F401 - before anything imports torchvision

# isort: split

import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from flax import nnx

from experiments import pytorch_networks
from mg_jax.compilation import peak_memory
from mg_jax.models.stable_diffusion.config import TINY, V1, V2, Config
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE

from ..drawing import build, draw, inputs

STORED = Path(__file__).parents[1] / "mg_jax/models/stable_diffusion/networks.npz"
TIME = 501.0
Arrays = dict[str, np.ndarray]


def unet_of(config: Config):
    return lambda: UNet(config.unet, dtype=jnp.float32, rngs=tracing.rngs())


def vae_of(config: Config):
    return lambda: VAE(config.vae, dtype=jnp.float32, rngs=tracing.rngs())


def unet_inputs(config: Config, side: int, tokens: int):
    shape = (1, side, side, 4)
    return inputs(0, *shape), inputs(1, 1, tokens, config.unet.context), inputs(2, *shape)


def vae_inputs(side: int):
    image = np.tanh(inputs(3, 1, side, side, 3))
    return image, inputs(4, 1, side // 8, side // 8, 4), inputs(5, 1, side, side, 3)


def their_unet(config: Config) -> UNet2DConditionModel:
    with torch.device("meta"):
        model = pytorch_networks.unet_of(config.unet, linear_projection=True)
    return fill(model, draw(unet_of(config)))


def their_vae(config: Config) -> AutoencoderKL:
    with torch.device("meta"):
        model = pytorch_networks.vae_of(config.vae)
    return fill(model, draw(vae_of(config)))


def fill(model, drawn):
    state = {}
    for path, value in drawn.items():
        name = ".".join(map(str, path[:-1])) + (".bias" if path[-1] == "bias" else ".weight")
        for ours, theirs in (
            (".to_out.", ".to_out.0."),
            (".ff.expand.", ".ff.net.0.proj."),
            (".ff.contract.", ".ff.net.2."),
        ):
            name = name.replace(ours, theirs)
        state[name] = torch.from_numpy(
            np.ascontiguousarray(np.moveaxis(value, (-1, -2), (0, 1)))
            if path[-1] == "kernel"
            else value
        )
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def to_torch(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, 1)))


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def theirs_of_unet(config: Config, side: int, tokens: int) -> Arrays:
    z, context, slope = unet_inputs(config, side, tokens)
    z = to_torch(z).requires_grad_()
    out = their_unet(config)(z, torch.tensor(TIME), torch.from_numpy(context)).sample
    (gradient,) = torch.autograd.grad(out, z, to_torch(slope))
    return {"unet": to_numpy(out), "unet_vjp": to_numpy(gradient)}


def ours_of_unet(config: Config, side: int, tokens: int) -> Arrays:
    graph, params = build(unet_of(config))

    @jax.jit
    def both(params, z, context, slope):
        out, pull = jax.vjp(lambda z: nnx.merge(graph, params)(z, jnp.float32(TIME), context), z)
        return out, pull(slope)[0]

    out, gradient = both(params, *map(jnp.asarray, unet_inputs(config, side, tokens)))
    return {"unet": np.asarray(out), "unet_vjp": np.asarray(gradient)}


def theirs_of_vae(config: Config, side: int) -> Arrays:
    image, latent, slope = vae_inputs(side)
    model, scale = their_vae(config), config.vae.scale
    with torch.no_grad():
        encoded = model.encode(to_torch(image)).latent_dist.mean * scale
    z = to_torch(latent).requires_grad_()
    decoded = model.decode(z / scale).sample
    (gradient,) = torch.autograd.grad(decoded, z, to_torch(slope))
    return {
        "encoded": to_numpy(encoded),
        "decoded": to_numpy(decoded),
        "decoded_vjp": to_numpy(gradient),
    }


def ours_of_vae(config: Config, side: int) -> Arrays:
    graph, params = build(vae_of(config))
    image, latent, slope = map(jnp.asarray, vae_inputs(side))
    encoded = jax.jit(lambda params, x: nnx.merge(graph, params).encode(x))(params, image)

    @jax.jit
    def both(params, latent, slope):
        out, pull = jax.vjp(lambda z: nnx.merge(graph, params).decode(z), latent)
        return out, pull(slope)[0]

    decoded, gradient = both(params, latent, slope)
    return {
        "encoded": np.asarray(encoded),
        "decoded": np.asarray(decoded),
        "decoded_vjp": np.asarray(gradient),
    }


def relative(found: Arrays, expected: Arrays) -> dict[str, float]:
    return {
        name: float(np.linalg.norm(found[name] - value) / np.linalg.norm(value))
        for name, value in expected.items()
    }


@pytest.fixture(scope="module")
def stored() -> Arrays:
    with np.load(STORED) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def theirs() -> Arrays:
    return theirs_of_unet(TINY, 16, 7) | theirs_of_vae(TINY, 32)


def test_the_stored_numbers_are_pytorchs(stored, theirs):
    assert stored.keys() == theirs.keys()
    assert max(relative(stored, theirs).values()) < 1e-5


def test_ours_are_pytorchs(theirs):
    ours = ours_of_unet(TINY, 16, 7) | ours_of_vae(TINY, 32)
    assert max(relative(ours, theirs).values()) < 1e-5


def main(size: str = "", network: str = "") -> None:
    if not size:
        np.savez_compressed(STORED, **theirs_of_unet(TINY, 16, 7), **theirs_of_vae(TINY, 32))
        return
    config = {"v1": V1, "v2": V2}[size]
    start = time.perf_counter()
    match network:
        case "unet":
            expected, found = theirs_of_unet(config, 64, 77), ours_of_unet(config, 64, 77)
        case "vae":
            expected, found = theirs_of_vae(config, 512), ours_of_vae(config, 512)
    figures = ", ".join(f"{name} {value:.1e}" for name, value in relative(found, expected).items())
    seconds = time.perf_counter() - start
    print(f"{size} {network}: relative {figures}; {seconds:.0f} s, {peak_memory() / 2**30:.1f} GiB")


if __name__ == "__main__":
    main(*sys.argv[1:])
