"""Table from the module names in published GMFlow checkpoints to ours."""

from collections.abc import Collection, Iterator

from flows.gmflow.config import Config

_ATTENTION = {
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "merge": "merge",
    "norm1": "norm",
}


def owns(names: Collection[str]) -> bool:
    """Whether these array names are those of a GMFlow, in the published layout or in our own."""
    return any(name.startswith("transformer.layers.") for name in names)


def module_table(names: Collection[str], config: Config) -> dict[str, str] | None:
    """Return the table from the published module names to ours; None if the names are ours already.

    Raises ValueError if the names belong to no known layout.
    """
    if any(name.startswith("encoder.") for name in names):
        return None
    if any(name.startswith("backbone.") for name in names):
        return dict(_published(config))
    shown = ", ".join(sorted(names)[:3]) or "none"
    raise ValueError(
        f"no GMFlow weights: the arrays are called {shown}; expected the published names or this"
        " package's"
    )


def _published(config: Config) -> Iterator[tuple[str, str]]:
    yield "backbone.conv1", "encoder.stem"
    yield "backbone.conv2", "encoder.head"
    if len(config.scales) > 1:
        yield "backbone.trident_conv", "encoder.branch"
    for stage in range(len(config.stages)):
        for block, name in enumerate(("first", "second")):
            there, here = f"backbone.layer{stage + 1}.{block}", f"encoder.stages.{stage}.{name}"
            yield f"{there}.conv1", f"{here}.inner"
            yield f"{there}.conv2", f"{here}.outer"
            if stage > 0 and block == 0:
                yield f"{there}.downsample.0", f"{here}.shortcut"
    for layer in range(config.layers):
        there = here = f"transformer.layers.{layer}"
        for theirs, ours in _ATTENTION.items():
            yield f"{there}.self_attn.{theirs}", f"{here}.own.{ours}"
            yield f"{there}.cross_attn_ffn.{theirs}", f"{here}.other.{ours}"
        yield f"{there}.cross_attn_ffn.mlp.0", f"{here}.widen"
        yield f"{there}.cross_attn_ffn.mlp.2", f"{here}.narrow"
        yield f"{there}.cross_attn_ffn.norm2", f"{here}.norm"
    yield "feature_flow_attn.q_proj", "propagation.query"
    yield "feature_flow_attn.k_proj", "propagation.key"
    yield "upsampler.0", "upsampler.inner"
    yield "upsampler.2", "upsampler.outer"
