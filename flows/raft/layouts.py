"""Tables from the module names in published RAFT checkpoints to ours."""

from collections.abc import Iterable, Iterator

from flows.raft.config import Config

# By kind of module, the parameter that each of its arrays fills; "" marks arrays not needed.
PARAMETER_OF_LEAF = {
    "conv": {"weight": "kernel", "bias": "bias"},
    "norm": {
        "weight": "scale",
        "bias": "bias",
        "running_mean": "mean",
        "running_var": "variance",
        "num_batches_tracked": "",
    },
}


def module_table(names: Iterable[str], config: Config) -> dict[str, str] | None:
    """Return the table from the file's module names to ours; None if the names are ours already.

    Raises ValueError if the names belong to no known layout.
    """
    names = list(names)
    if any(name.startswith("update.") for name in names):
        return None
    if any(name.startswith("module.update_block.") for name in names):
        return {f"module.{theirs}": ours for theirs, ours in _princeton(config)}
    if any(name.startswith("update_block.encoder.") for name in names):
        return dict(_princeton(config))
    if any(name.startswith("update_block.motion_encoder.") for name in names):
        return dict(_torchvision(config))
    shown = ", ".join(sorted(names)[:3]) or "none"
    raise ValueError(
        f"no RAFT weights: the arrays are called {shown}; expected the names of princeton-vl,"
        " torchvision or this package"
    )


def _blocks(config: Config) -> Iterator[tuple[int, int, int, bool]]:
    """Yield stage, block, number of convolutions, and whether there is a shortcut."""
    convs = {"bottleneck": 3, "residual": 2}[config.block]
    for stage in range(3):
        for block in range(2):
            yield stage, block, convs, stage > 0 and block == 0


def _princeton(config: Config) -> Iterator[tuple[str, str]]:
    for theirs, ours in (("fnet", "features"), ("cnet", "context")):
        yield f"{theirs}.conv1", f"{ours}.stem.conv"
        yield f"{theirs}.norm1", f"{ours}.stem.norm"
        yield f"{theirs}.conv2", f"{ours}.head"
        for stage, block, convs, shortcut in _blocks(config):
            there = f"{theirs}.layer{stage + 1}.{block}"
            here = f"{ours}.stages.{stage}.{('first', 'second')[block]}"
            for index in range(convs):
                yield f"{there}.conv{index + 1}", f"{here}.convs.{index}.conv"
                yield f"{there}.norm{index + 1}", f"{here}.convs.{index}.norm"
            if shortcut:
                yield f"{there}.downsample.0", f"{here}.shortcut.conv"
                # One module under two names, so a checkpoint holds its arrays twice.
                yield f"{there}.downsample.1", f"{here}.shortcut.norm"
                yield f"{there}.norm{convs + 1}", f"{here}.shortcut.norm"
    for letter, kind, convs in _motion(config):
        for index in range(convs):
            theirs = f"update_block.encoder.conv{letter}{index + 1}"
            yield theirs, f"update.motion.{kind}.convs.{index}"
    yield "update_block.encoder.conv", "update.motion.merge.convs.0"
    for index in range(len(config.gates)):
        number = "" if len(config.gates) == 1 else str(index + 1)
        for letter, gate in (("z", "update"), ("r", "reset"), ("q", "candidate")):
            yield f"update_block.gru.conv{letter}{number}", f"update.gates.{index}.{gate}"
    yield "update_block.flow_head.conv1", "update.flow.inner"
    yield "update_block.flow_head.conv2", "update.flow.outer"
    if config.mask:
        yield "update_block.mask.0", "update.mask.inner"
        yield "update_block.mask.2", "update.mask.outer"


def _motion(config: Config) -> tuple[tuple[str, str, int], ...]:
    """Letter of princeton-vl's names, our name, number of convolutions."""
    return (
        ("c", "correlation", len(config.correlation_convs)),
        ("f", "flow", len(config.flow_convs)),
    )


def _torchvision(config: Config) -> Iterator[tuple[str, str]]:
    for theirs, ours in (("feature_encoder", "features"), ("context_encoder", "context")):
        yield f"{theirs}.convnormrelu.0", f"{ours}.stem.conv"
        yield f"{theirs}.convnormrelu.1", f"{ours}.stem.norm"
        yield f"{theirs}.conv", f"{ours}.head"
        for stage, block, convs, shortcut in _blocks(config):
            there = f"{theirs}.layer{stage + 1}.{block}"
            here = f"{ours}.stages.{stage}.{('first', 'second')[block]}"
            for index in range(convs):
                yield f"{there}.convnormrelu{index + 1}.0", f"{here}.convs.{index}.conv"
                yield f"{there}.convnormrelu{index + 1}.1", f"{here}.convs.{index}.norm"
            if shortcut:
                yield f"{there}.downsample.0", f"{here}.shortcut.conv"
                yield f"{there}.downsample.1", f"{here}.shortcut.norm"
    for _, kind, convs in _motion(config):
        letters = {"correlation": "corr", "flow": "flow"}[kind]
        for index in range(convs):
            theirs = f"update_block.motion_encoder.conv{letters}{index + 1}.0"
            yield theirs, f"update.motion.{kind}.convs.{index}"
    yield "update_block.motion_encoder.conv.0", "update.motion.merge.convs.0"
    for index in range(len(config.gates)):
        for letter, gate in (("z", "update"), ("r", "reset"), ("q", "candidate")):
            theirs = f"update_block.recurrent_block.convgru{index + 1}.conv{letter}"
            yield theirs, f"update.gates.{index}.{gate}"
    yield "update_block.flow_head.conv1", "update.flow.inner"
    yield "update_block.flow_head.conv2", "update.flow.outer"
    if config.mask:
        yield "mask_predictor.convrelu.0", "update.mask.inner"
        yield "mask_predictor.conv", "update.mask.outer"
