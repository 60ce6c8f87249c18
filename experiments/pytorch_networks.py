"""UNet and autoencoder of diffusers, RAFT of torchvision, with weights that a job draws or names.

They are set up for speed: attention is fused, as it is by default, kernels are channels-last, no
parameter asks for a gradient, and RAFT sees the source once. Tensors and modules are `Any`, as
torch need not be installed.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from experiments import pytorch_setup
from experiments.comparison import SIZES, Job, architecture, drawn
from mg_jax.checkpoints import parts
from mg_jax.checkpoints.parts import Layout, Params
from mg_jax.guiding import UPDATES
from mg_jax.models.stable_diffusion import checkpoint, layouts
from mg_jax.models.stable_diffusion.config import UNetConfig, VAEConfig


class Networks(NamedTuple):
    """Modules, in the precision of the job's networks."""

    unet: Any
    vae: Any
    raft: Any


def build(job: Job, device: Any) -> Networks:
    """Networks of a job on a device.

    Raises:
        ValueError: unknown or unreadable weights of RAFT, or those of a small one.
    """
    import torch

    declare_operators()  # before diffusers imports torchvision
    config = architecture(SIZES[job.network_size])
    wanted = checkpoint.shapes(config)
    with torch.device("meta"):
        unet, vae = unet_of(config.unet), vae_of(config.vae)
    dtype = getattr(torch, job.precision)
    for network, params, theirs, original in (
        (unet, wanted.unet, layouts.diffusers_unet, layouts.original_unet(config.unet)),
        (vae, wanted.vae, layouts.diffusers_vae, layouts.original_vae(config.vae)),
    ):
        _fill(network, _names(params, theirs, original), device, dtype)
        network.eval().requires_grad_(False)
        if job.remat == "blocks":
            network.enable_gradient_checkpointing()
    if job.compiled:
        _compile(unet.down_blocks, [unet.mid_block], unet.up_blocks)
        _compile([vae.decoder.mid_block], vae.decoder.up_blocks)
    return Networks(unet, vae, _raft(job.flow_model, device, dtype))


def _names(params: Params, theirs: Layout, original: Layout) -> dict[str, str]:
    """Name in diffusers of each array → in the original checkpoint, by which it is drawn."""
    return {theirs(path)[0]: original(path)[0] for path in parts.paths(params)}


def _fill(network: Any, names: dict[str, str], device: Any, dtype: Any) -> None:
    """Draw the arrays of a network without any, one at a time to where they belong."""
    import torch

    state = {}
    for name, empty in network.state_dict().items():
        value = torch.from_numpy(drawn(names[name], tuple(empty.shape)))
        last = torch.channels_last if value.ndim == 4 else torch.preserve_format
        state[name] = value.to(device, dtype, memory_format=last)
    network.load_state_dict(state, assign=True)


def _compile(*lists: Iterable[Any]) -> None:
    """Compile block by block, as diffusers advises.

    Compiled whole, the decoder's gradient came out as 0 on CPU (torch 2.13), block by block right.
    """
    import torch

    torch._dynamo.config.recompile_limit = 64  # blocks share their code
    for blocks in lists:
        for block in blocks:
            block.compile()


def unet_of(config: UNetConfig, linear_projection: bool = False) -> Any:
    """Diffusers' UNet; transformers' projections are matrices in 2.x's files, else 1x1 kernels."""
    from diffusers import UNet2DConditionModel

    kinds = ["CrossAttn" if has else "" for has in config.attention]
    return UNet2DConditionModel(
        block_out_channels=config.channels,
        down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
        up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
        layers_per_block=config.layers,
        attention_head_dim=config.heads,  # the number of heads, in spite of its name
        cross_attention_dim=config.context,
        norm_num_groups=config.groups,
        use_linear_projection=linear_projection,
    )


def vae_of(config: VAEConfig) -> Any:
    """Diffusers' autoencoder."""
    from diffusers import AutoencoderKL

    levels = len(config.channels)
    return AutoencoderKL(
        block_out_channels=config.channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=config.layers,
        norm_num_groups=config.groups,
        latent_channels=config.latent,
        scaling_factor=config.scale,
    )


def _raft(name: str, device: Any, dtype: Any) -> Any:
    """RAFT, never switched to evaluation, as the reference's is: batch norms go by the batch."""
    import torch
    from torchvision.models.optical_flow import raft_large

    network = raft_large().requires_grad_(False)
    network.load_state_dict(pytorch_setup.flow_weights(name, network.state_dict()))
    return network.to(device, dtype, memory_format=torch.channels_last)


def flow_from(raft: Any, source: Any, samples: int) -> Callable[[Any], Any]:
    """Give the function from `samples` images [b 3 h w] to the flows from one source to them.

    It does what `forward` of torchvision's RAFT does, but for what needs no doing again: the source
    is seen here, once, and only the last flow is brought to full size. Features are correlated and
    flows kept in the source's precision.
    """
    import torch
    from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

    dtype, state = next(raft.parameters()).dtype, raft.update_block.hidden_state_size
    # All samples have this source, so batch norms would see the same statistics in each.
    repeated = (samples, -1, -1, -1)
    first = raft.feature_encoder(source.to(dtype)).to(source.dtype).expand(repeated)
    seen = raft.context_encoder(source.to(dtype)).expand(repeated)
    start, context = seen[:, :state].tanh(), seen[:, state:].relu()
    pixels = make_coords_grid(samples, *first.shape[2:], device=source.device)

    def flow_to(image: Any) -> Any:
        second = raft.feature_encoder(image.to(dtype)).to(image.dtype)
        raft.corr_block.build_pyramid(first, second)
        hidden, flow = start, torch.zeros_like(pixels)
        for _ in range(UPDATES):
            flow = flow.detach()
            window = raft.corr_block.index_pyramid(pixels + flow)
            hidden, change = raft.update_block(hidden, context, window.to(dtype), flow.to(dtype))
            flow = flow + change.to(flow.dtype)
        return upsample_flow(flow, raft.mask_predictor(hidden).to(flow.dtype))

    return flow_to


def declare_operators() -> None:
    """Let a torchvision that was built for CUDA be imported beside a torch that was not.

    Two of its compiled operators, which do not load there, must be declared; nothing here uses
    them. Where they do load, declaring them first would abort the process.
    """
    import torch

    if torch.version.cuda is None and not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)


_LIBRARIES: list[Any] = []  # a declaration lasts as long as its library
