"""Guided Stable Diffusion with tiny drawn networks and the real flow network."""

import jax
import jax.numpy as jnp
from flax import nnx

from flows.raft import weights
from mg_jax import guiding, kernel, noise
from mg_jax.models.stable_diffusion import networks
from mg_jax.models.stable_diffusion.config import TINY
from mg_jax.models.stable_diffusion.unet import UNet
from mg_jax.models.stable_diffusion.vae import VAE
from mg_jax.prompting import Prompt, classifier_free
from mg_jax.types import Edit, Params, Problem, Strengths, Target

ONE = jnp.ones(1)


def latents(side):
    """What a picture of side x side pixels is in the latent space, drawn."""
    return jax.random.normal(jax.random.key(2), (1, side // 8, side // 8, TINY.vae.latent))


def target(raft, picture, flow_unit):
    """Three pixels to the right and down, judged against the picture."""
    height, width = picture.shape[1:3]
    return Target(
        source=picture,
        flow=jnp.full((1, height, width, 2), 3.0),
        visible=jnp.ones((1, height, width, 1)),
        features=jax.jit(raft.features)(raft.params, picture),
        flow_unit=flow_unit * ONE,
        flow_weight=3 * ONE,
        color_weight=100 * ONE,
    )


def guided(dtype, remat, recursions):
    """The kernel with networks that compute in dtype."""
    net = networks.build(TINY, dtype, remat)
    return kernel.build(
        classifier_free(net.denoise),
        net.decode,
        guiding.energy(weights.load("raft-small", dtype=dtype), False),
        kernel.noised_source,
        noise.gaussian,
        recursions=recursions,
    )


def params(dtype):
    """Parameters of the UNet, the autoencoder and the flow network."""
    unet = nnx.state(UNet(TINY.unet, dtype=dtype, rngs=nnx.Rngs(0)))
    vae = nnx.state(VAE(TINY.vae, dtype=dtype, rngs=nnx.Rngs(1)))
    return Params(unet, vae, weights.load("raft-small", dtype=dtype).params)


def problem(params, source, target, clip):
    """All of the picture is edited, at the paper's strength."""
    text = jax.random.normal(jax.random.key(3), (2, 1, TINY.text.length, TINY.text.width))
    everywhere = jnp.ones((*source.shape[:3], 1))
    return Problem(
        params,
        Edit(source, everywhere == 0, everywhere, target),
        Strengths(300 * ONE, clip * ONE),
        Prompt(text[0], text[1], 7.5 * ONE),
    )
