"""What the device at hand can do at most, measured; and what it is."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import numpy as np

from experiments.benchmarks.figures import Figure, Rate
from experiments.benchmarks.timing import seconds
from flows.nn.matmul import matmul

_REPETITIONS = 5
_CPU_SIZES = (512, 1024, 2048)
_ACCELERATOR_SIZES = (2048, 4096, 8192, 16384)


def matrix_rate(products: str) -> Rate:
    """Operations a second of the fastest square matrix product of several sizes.

    `products` are bfloat16, summed in float32, tensorfloat32, or float32. In a process that should
    end after it: JAX's precision is set for good.
    """
    precision = "bfloat16" if products == "bfloat16" else "float32"
    most = "default" if products == "tensorfloat32" else "highest"  # a GPU's default
    jax.config.update("jax_default_matmul_precision", most)  # type: ignore[no-untyped-call]
    product = jax.jit(matmul)
    rates = []
    for size in _CPU_SIZES if jax.default_backend() == "cpu" else _ACCELERATOR_SIZES:
        a = jax.random.normal(jax.random.key(0), (size, size), precision)
        spent = seconds(lambda a=a: product(a, a), _REPETITIONS)  # type: ignore[misc]
        rates.append(Rate(2 * size**3 / float(np.median(spent)), size, spent))
    return max(rates, key=lambda rate: rate.operations)


def figures(rates: Mapping[str, Rate]) -> Iterator[Figure]:
    """The matrix products that tell the limits, by products."""
    for products, rate in rates.items():
        yield Figure(
            f"matrix product, {products}, {rate.size} x {rate.size}",
            "the device",
            rate.seconds,
            operations=2 * rate.size**3,
            limit=rate.operations,
        )


def machine() -> dict[str, str]:
    """The device that JAX uses, processor, memory, and versions. It takes the device."""
    versions = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax")}
    return {
        "backend": jax.default_backend(),
        "device": ", ".join(sorted({device.device_kind for device in jax.devices()})),
        "devices": str(len(jax.devices())),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "system": platform.platform(),
        **versions,
    }


def _processor() -> str:
    """Its name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
