"""One growth of a chain by gromo.

Our network becomes modules of gromo, gromo's statistics choose new filters, and the result becomes
our network again. The training is ours.

The new filters are those of TINY (Verbockhaven et al. 2024), gromo's own method: the pairs of
fan-in and fan-out weights that lower the loss fastest to first order. In gromo new filters bypass
BatchNorm. Our convolutions always have a BatchNorm, so that here the BatchNorm of new filters
undoes itself instead (as in the morphism `deepen`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from gromo.containers.sequential_growing_container import SequentialGrowingModel
from gromo.modules.conv2d_growing_module import RestrictedConv2dGrowingModule
from gromo.modules.growing_normalisation import GrowingBatchNorm2d
from torch import Tensor, nn

from benchmarks.peers.space import parts
from nasflow.architecture.architecture import Architecture
from nasflow.kernels.batch_norm import EPSILON
from nasflow.network.network import Network

# Scaling factors of the new filters, which are tried on the batches of the statistics.
FACTORS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
Batch = tuple[Tensor, Tensor]


class Chain(SequentialGrowingModel):
    """A network of convolutions, pools and a head in a row, as gromo sees it, in eval mode."""

    def __init__(self, network: Network) -> None:
        g = network.architecture
        super().__init__(g.image.width, g.head.width, torch.device("cpu"))
        self.flat = g.head.op == "flat_head"
        self.convs = nn.ModuleDict()
        self.grown: dict[
            int, RestrictedConv2dGrowingModule
        ] = {}  # by the id of the convolution before
        for part in parts(g):
            before = None
            for conv in part:
                module = _module(network, conv, self.convs[str(before)] if before else None)
                self.convs[str(conv)] = module
                if before is not None:
                    self.grown[before] = module
                before = conv
        self._growable_layers = list(self.grown.values())
        self.set_growing_layers(scheduling_method="all")
        weight = network.x[f"{g.head.id}.weight"].flatten(1)
        self.head = nn.Linear(weight.shape[1], weight.shape[0])
        self.head.weight.data, self.head.bias.data = weight, network.x[f"{g.head.id}.bias"]
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits, while growing modules keep what their statistics need."""
        for module in self.convs.values():
            images = module(images)
        return self._read(images)

    def extended_forward(self, images: Tensor, mask: dict[str, Any] | None = None) -> Tensor:
        """Compute logits with the proposed filters, multiplied by their scaling factors."""
        extension = None
        for module in self.convs.values():
            images, extension = module.extended_forward(images, extension)
        return self._read(images)

    def _read(self, maps: Tensor) -> Tensor:
        return self.head(maps.flatten(1) if self.flat else maps.mean((2, 3)))


def grow(network: Network, wanted: Mapping[int, int], batches: Sequence[Batch]) -> Network:
    """Add filters to some convolutions; all velocities are zero afterwards.

    Args:
        network: a chain.
        wanted: for each convolution to grow, how many filters it gets at most. Another convolution
            on the same map must follow it. gromo adds fewer filters where its statistics support
            fewer.
        batches: images and labels for the statistics.
    """
    chain = Chain(network)
    chain.init_computation()
    for images, labels in batches:
        chain.zero_grad()
        F.cross_entropy(chain(images), labels, reduction="sum").backward()
        chain.update_computation()
    before = {conv: network.architecture[conv].width for conv in wanted}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using the pseudo-inverse")  # S is singular at borders
        for conv, count in wanted.items():
            if count:
                _tiny(chain.grown[conv], count)
        chain.reset_computation()
        factor = min(FACTORS, key=lambda factor: _loss(chain, factor, batches))
        _scale(chain, factor)
        for module in chain.grown.values():
            if module.extended_input_layer is not None:
                module.apply_change(apply_delta=False)
                module.delete_update()
        return _network(network.architecture, chain, before, batches)


def _module(
    network: Network, conv: int, previous: nn.Module | None
) -> RestrictedConv2dGrowingModule:
    g, node = network.architecture, network.architecture[conv]
    norm = GrowingBatchNorm2d(node.width, eps=EPSILON)
    pools = [nn.MaxPool2d(2)] if conv in g.pooled else []
    module = RestrictedConv2dGrowingModule(
        in_channels=g.shapes[node.inputs[0]][0],
        out_channels=node.width,
        kernel_size=node.kernel,
        padding=node.kernel // 2,
        use_bias=False,
        post_layer_function=nn.Sequential(norm, nn.ReLU(), *pools),
        previous_module=previous,
        allow_growing=previous is not None,
        device=torch.device("cpu"),
        name=str(conv),
    )
    tensors = {
        "weight": network.x[f"{conv}.scale"],
        "bias": network.x[f"{conv}.shift"],
        "running_mean": network.buffers[f"{conv}.mean"],
        "running_var": network.buffers[f"{conv}.variance"],
    }
    module.layer.weight.data = network.x[f"{conv}.weight"].clone()
    for name, tensor in tensors.items():
        getattr(norm, name).data.copy_(tensor)
    return module


def _tiny(module: RestrictedConv2dGrowingModule, count: int) -> None:
    module.compute_optimal_updates(
        maximum_added_neurons=count,
        compute_delta=False,
        use_covariance=True,
        use_projection=True,
        dtype=torch.float64,
    )


def _scale(chain: Chain, factor: float) -> None:
    for module in chain.grown.values():
        module.scaling_factor = factor


def _loss(chain: Chain, factor: float, batches: Sequence[Batch]) -> float:
    _scale(chain, factor)
    return sum(float(F.cross_entropy(chain.extended_forward(x), y)) for x, y in batches)


def _network(
    g: Architecture, chain: Chain, before: Mapping[int, int], batches: Sequence[Batch]
) -> Network:
    convs: Mapping[str, Any] = dict(chain.convs.items())
    widths = {int(name): module.out_channels for name, module in convs.items()}
    nodes = tuple(replace(n, width=widths.get(n.id, n.width)) for n in g.nodes)
    child, moments = Architecture(nodes, g.size), _moments(chain, before, batches)
    found = {
        f"{conv.id}.{name}": tensor
        for conv in child.convs
        for name, tensor in _tensors(convs[str(conv.id)], moments.get(conv.id)).items()
    }
    head = child.head.id
    found[f"{head}.weight"] = chain.head.weight.reshape(child.tensors[f"{head}.weight"]).clone()
    found[f"{head}.bias"] = chain.head.bias.clone()
    x = {name: found[name] for name in child.tensors}
    buffers = {name: found[name] for name in child.buffers}
    return Network(child, x, buffers, {name: torch.zeros_like(t) for name, t in x.items()})


def _tensors(module: Any, moments: tuple[Tensor, Tensor] | None) -> dict[str, Tensor]:
    """The tensors of a convolution with its BatchNorm, by the names that they have in nasflow.

    `moments` are the mean and variance of the outputs of the new filters, which are the last ones.
    New filters get the norm of the old ones, and a BatchNorm that undoes itself and that norm.
    """
    norm = module.post_layer_function[0]
    own = (module.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    weight, scale, shift, mean, variance = (t.detach().clone() for t in own)
    if moments is not None:
        old = len(weight) - len(moments[0])
        norms = weight.flatten(1).norm(dim=1)
        ratio = norms[:old].mean() / norms[old:]
        weight[old:] *= ratio[:, None, None, None]
        mean[old:], variance[old:] = ratio * moments[0], ratio**2 * moments[1]
        scale[old:], shift[old:] = (variance[old:] + EPSILON).sqrt() / ratio, moments[0]
    names = ("weight", "scale", "shift", "mean", "variance")
    return dict(zip(names, (weight, scale, shift, mean, variance), strict=True))


def _moments(
    chain: Chain, before: Mapping[int, int], batches: Sequence[Batch]
) -> dict[int, tuple[Tensor, Tensor]]:
    """The mean and variance, over images and pixels, of the outputs of the new filters."""
    convs: Mapping[int, Any] = {c: chain.convs[str(c)] for c in before}
    seen: dict[int, list[Tensor]] = {
        c: [] for c, width in before.items() if convs[c].out_channels > width
    }
    handles = [
        convs[c].layer.register_forward_hook(
            lambda _, __, out, c=c: seen[c].append(out[:, before[c] :].transpose(0, 1).flatten(1))
        )
        for c in seen
    ]
    for images, _ in batches:
        chain(images)
    for handle in handles:
        handle.remove()
    together = {c: torch.cat(list(parts), 1) for c, parts in seen.items()}
    return {c: (t.mean(1), t.var(1, unbiased=False)) for c, t in together.items()}
