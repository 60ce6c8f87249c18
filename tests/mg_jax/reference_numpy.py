"""The reference's guided sampler in float64 numpy, one sample at a time, derivatives by hand.

Written from the method's equations, for small networks whose derivatives have a closed form.
It shares no code and no formulation with the package: bilinear reading is a product of tents
instead of a gather, reflection a triangle wave, noise a tape that is read in order.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

einsum = partial(np.einsum, optimize=True)


class Case(NamedTuple):
    """One sample's edit, networks included; arrays without a batch axis, float64."""

    mix: np.ndarray  # [c c] denoiser: channels
    shift: np.ndarray  # [c c] denoiser: channels of the left neighbour
    rise: np.ndarray  # [c] denoiser: how time enters
    colors: np.ndarray  # [c 3] decoder
    see: np.ndarray  # [3 2] flow network
    start: np.ndarray  # [h w c] latent at the noisiest level
    source: np.ndarray  # [h w c] clean latent, or [levels h w c], noisiest first
    keep: np.ndarray  # [h w 1] bool
    image: np.ndarray  # [H W 3] x*, in [-1, 1]
    flow: np.ndarray  # [H W 2]
    visible: np.ndarray  # [H W 1]
    empty: np.ndarray  # [c] prompt of the unconditional half
    prompt: np.ndarray  # [c]
    cfg_scale: float
    guidance_weight: float
    color_weight: float
    flow_weight: float
    clip: float


class Level(NamedTuple):
    t: float
    alpha: float
    alpha_prev: float
    ramp: float


class Record(NamedTuple):
    """What a run did: fields [levels k], and the last latent."""

    z: np.ndarray
    energy: np.ndarray
    flow: np.ndarray
    color: np.ndarray
    norm: np.ndarray


# Schedule: linear in sqrt(beta), "uniform" DDIM times plus one, last step to the first ᾱ.


def levels(count, ramp):
    root = np.linspace(np.sqrt(0.00085), np.sqrt(0.0120), 1000)
    alphas = np.cumprod(1 - root * root)
    times = [1 + i * (1000 // count) for i in range(count)]
    previous = [alphas[0], *(alphas[t] for t in times[:-1])]
    climb = [Level(float(t), alphas[t], a, 0.0) for t, a in zip(times, previous, strict=True)]
    return [row._replace(ramp=r) for row, r in zip(reversed(climb), ramp, strict=True)]


# Denoiser: right for white noise as data, σ·z, plus tanh(z·mix + left(z)·shift + t·rise + prompt);
# and what it sends back to z.


def bend(case, z, level, prompt):
    left = np.roll(z, 1, axis=1)
    return np.tanh(z @ case.mix + left @ case.shift + level.t / 1000 * case.rise + prompt)


def denoise(case, z, level, prompt):
    return np.sqrt(1 - level.alpha) * z + 0.3 * bend(case, z, level, prompt)


def denoise_back(case, z, level, prompt, sent):
    inner = 0.3 * sent * (1 - bend(case, z, level, prompt) ** 2)
    straight = np.sqrt(1 - level.alpha) * sent
    return straight + inner @ case.mix.T + np.roll(inner @ case.shift.T, -1, axis=1)


def guided(case, z, level):
    empty, full = denoise(case, z, level, case.empty), denoise(case, z, level, case.prompt)
    return empty + case.cfg_scale * (full - empty)


def guided_back(case, z, level, sent):
    empty = denoise_back(case, z, level, case.empty, sent)
    full = denoise_back(case, z, level, case.prompt, sent)
    return (1 - case.cfg_scale) * empty + case.cfg_scale * full


# Decoder: colours, then twice the size, linear between the pixels.


def enlarge(size):
    """[2·size size]: every second row is a pixel, the others the mean of their neighbours."""
    matrix = np.zeros((2 * size, size))
    for i in range(size):
        matrix[2 * i, i] = 1
        matrix[2 * i + 1, i] += 0.5
        matrix[2 * i + 1, min(i + 1, size - 1)] += 0.5
    return matrix


def decode(case, clean):
    height, width, _ = clean.shape
    return einsum("Hh,Ww,hwc,ck->HWk", enlarge(height), enlarge(width), clean, case.colors)


def decode_back(case, sent):
    height, width, _ = sent.shape
    up, wide = enlarge(height // 2), enlarge(width // 2)
    return einsum("Hh,Ww,HWk,ck->hwc", up, wide, sent, case.colors)


# Flow network: F(x*, x) = 4·tanh(blur(x − x*)·see) pixels.


def blur(size):
    """[size size]: mean of three neighbours, zero outside."""
    return (np.eye(size) + np.eye(size, k=1) + np.eye(size, k=-1)) / 3


def features(case):
    """What the flow network keeps of the source."""
    return look(case, case.image)


def look(case, image):
    height, width, _ = image.shape
    return einsum("yY,xX,YXk,kf->yxf", blur(height), blur(width), image, case.see)


def estimate_flow(case, image):
    return 4 * np.tanh(look(case, image) - features(case))


def estimate_flow_back(case, image, sent):
    inner = sent * (4 - estimate_flow(case, image) ** 2 / 4)
    height, width, _ = image.shape
    return einsum("yY,xX,yxf,kf->YXk", blur(height), blur(width), inner, case.see)


# Backward warp: bilinear, align_corners, reflection padding.


def tents(coordinate, size):
    """Bilinear weights [points size] of one axis, and their slopes in the coordinate."""
    period = 2 * (size - 1)
    wave = (coordinate + size - 1) % period - (size - 1)
    offset = np.abs(wave)[:, None] - np.arange(size)[None, :]
    inside = np.abs(offset) < 1
    weight = np.where(inside, 1 - np.abs(offset), 0)
    slope = np.where(inside, -np.sign(offset), 0) * np.sign(wave)[:, None]
    return weight, slope


def reading(flow):
    height, width, _ = flow.shape
    y, x = np.mgrid[:height, :width]
    row, row_slope = tents((y + flow[..., 1]).ravel(), height)
    column, column_slope = tents((x + flow[..., 0]).ravel(), width)
    return row, row_slope, column, column_slope


def warp(image, flow):
    row, _, column, _ = reading(flow)
    return einsum("py,px,yxk->pk", row, column, image).reshape(*flow.shape[:2], -1)


def warp_back(image, flow, sent):
    """What the warp sends back to the image, and to the flow."""
    row, row_slope, column, column_slope = reading(flow)
    sent = sent.reshape(-1, image.shape[-1])
    to_image = einsum("py,px,pk->yxk", row, column, sent)
    to_x = einsum("py,px,yxk,pk->p", row, column_slope, image, sent)
    to_y = einsum("py,px,yxk,pk->p", row_slope, column, image, sent)
    return to_image, np.stack([to_x, to_y], axis=-1).reshape(flow.shape)


def occlusion(flow):
    """1 = used: not where Σ warp(f, f)·(f ≠ warp(f, f)) depends on f, but wherever f ≠ 0."""
    differs = (flow != warp(flow, flow)).astype(float)
    to_value, to_place = warp_back(flow, flow, differs)
    used = (to_value + to_place == 0).all(axis=-1) | (flow != 0).any(axis=-1)
    return used[..., None].astype(float)


# Energy: flow loss and masked colour loss, images in [0, 1]; and what it sends to the image.


def energy(case, image):
    found = estimate_flow(case, image)
    source, moved = (case.image + 1) / 2, (image + 1) / 2
    difference = case.visible * (source - warp(moved, found))
    flow, color = np.mean(np.abs(found - case.flow)), np.mean(np.abs(difference))

    to_back = -case.color_weight * np.sign(difference) * case.visible / difference.size
    to_image, to_found = warp_back(moved, found, to_back)
    to_found = to_found + case.flow_weight * np.sign(found - case.flow) / found.size
    gradient = to_image / 2 + estimate_flow_back(case, image, to_found)
    return case.flow_weight * flow + case.color_weight * color, flow, color, gradient


# The sampler.


def repetition(case, z, level, source, tape):
    """One evaluation at one level; returns the next cleaner latent, and what was measured."""
    sigma, root = np.sqrt(1 - level.alpha), np.sqrt(level.alpha)
    z = np.where(case.keep, source, z)
    eps = guided(case, z, level)
    image = decode(case, (z - sigma * eps) / root)
    total, flow, color, to_image = energy(case, image)

    to_clean = decode_back(case, to_image) / root
    to_z = to_clean - guided_back(case, z, level, sigma * to_clean)
    direction = -to_z * case.guidance_weight * level.ramp
    norm = np.linalg.norm(sigma * direction)
    if norm > case.clip:
        direction = direction * case.clip / norm
    eps = eps - sigma * direction

    next(tape)  # DDIM's noise, drawn though η = 0
    clean = (z - sigma * eps) / root
    z = np.sqrt(level.alpha_prev) * clean + np.sqrt(1 - level.alpha_prev) * eps
    return z, (total, flow, color, norm)


def sample(case, schedule, repetitions, tape):
    """The whole run. `tape` yields [h w c] noises in the reference's order."""
    tape, stored, z, rows = iter(tape), case.source.ndim == 4, case.start, []
    for i, level in enumerate(schedule):
        for _ in range(repetitions):
            if stored:
                source = case.source[i]
            else:
                noise = next(tape)
                source = np.sqrt(level.alpha) * case.source + np.sqrt(1 - level.alpha) * noise
            cleaner, row = repetition(case, z, level, source, tape)
            rows.append(row)
            beta = level.alpha / level.alpha_prev
            z = np.sqrt(beta) * cleaner + np.sqrt(1 - beta) * next(tape)
        z = cleaner
    measured = np.array(rows).reshape(len(schedule), repetitions, 4)
    return Record(z, *np.moveaxis(measured, -1, 0))


# Cases.


def random_case(seed, stored_levels=0, height=6, width=7, channels=4):
    """An edit of random content: a block of the image goes down and to the right."""
    random = np.random.default_rng(seed)
    normal = random.standard_normal
    picture = (2 * height, 2 * width)
    flow = np.zeros((*picture, 2))
    flow[3:8, 3:9] = (3.0, 2.0)
    keep = np.ones((height, width, 1), bool)
    keep[1:, 1:] = False
    lead = (stored_levels,) if stored_levels else ()
    return Case(
        mix=0.4 * normal((channels, channels)),
        shift=0.3 * normal((channels, channels)),
        rise=normal(channels),
        colors=0.3 * normal((channels, 3)),
        see=0.5 * normal((3, 2)),
        start=normal((height, width, channels)),
        source=normal((*lead, height, width, channels)),
        keep=keep,
        image=random.uniform(-1, 1, (*picture, 3)),
        flow=flow,
        visible=occlusion(flow),
        empty=0.2 * normal(channels),
        prompt=0.2 * normal(channels),
        cfg_scale=random.uniform(1, 4),
        guidance_weight=random.uniform(1, 3),
        color_weight=random.uniform(20, 60),
        flow_weight=random.uniform(1, 5),
        clip=random.uniform(0.5, 2),
    )
