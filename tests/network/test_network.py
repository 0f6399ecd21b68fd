"""All kernels are compiled before a training begins; on a GPU maps keep their number format."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cases
import numpy as np
import pytest
import torch
from places import TESTS
from pretended_gpu import Machine
from torch import Tensor
from undetermined import undetermined

from nasflow.network.network import Network, forward, initialise


def test_training_compiles_no_kernel_that_prepare_has_not(tmp_path: Path) -> None:
    """The test runs in a process of its own: other tests call kernels with maps of other
    layouts."""
    script = """
import sys
from pathlib import Path
import rounds
from nasflow.kernels import batch_norm_kernels as kernels
from nasflow.kernels import global_average, max_pool, mixing, smooth_kernels, smooth_pool_kernels
from nasflow.network import network
network.compile_kernels()
rounds.run(rounds.prepare(Path(sys.argv[1])), "round", 1, max_steps=6)
own = [kernels.forward, kernels.backward, smooth_kernels.forward, smooth_kernels.backward]
own += [smooth_pool_kernels.forward, smooth_pool_kernels.backward]
own += [global_average.means, global_average.spread]
own += [max_pool.highest, max_pool.give_back, mixing.blend, mixing.separate]
for kernel in own:
    assert len(kernel.signatures) == 2  # float32 and bfloat16
"""
    here = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": here}, check=True, capture_output=True)


def _trained(
    network: Network, device: str, half: bool, images: Tensor | None = None
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The logits of a training step, what autograd keeps for it, and the running statistics."""
    g, x, buffers, _ = network.to(device)
    for t in x.values():
        t.requires_grad_()
    images = cases.images(6) if images is None else images
    images = images.contiguous(memory_format=torch.channels_last).to(device)
    kept: list[Tensor] = []
    with (
        torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t),
        torch.autocast(device, torch.bfloat16, enabled=half, cache_enabled=False),
    ):
        logits = forward(g, x, buffers, images, training=True)
    gradient = torch.autograd.grad(logits.float().square().sum(), list(x.values()))
    assert {t.dtype for t in (*gradient, *buffers.values())} == {torch.float32}
    return logits.float().cpu(), kept, [t.cpu() for t in buffers.values()]


@pytest.mark.parametrize("seed", range(3))
def test_on_a_gpu_bfloat16_maps_stay_bfloat16_and_give_what_the_kernels_give(seed: int) -> None:
    network = cases.network(seed, 6)
    with Machine():
        half, kept, statistics = _trained(network, "cuda", True)
        single, wide, _ = _trained(network, "cuda", False)
    fused, _, expected = _trained(network, "cpu", True)
    maps = [t for t in kept if t.ndim == 4 and t.is_floating_point()]
    assert maps and {t.dtype for t in maps} == {torch.bfloat16}
    assert sum(t.nbytes for t in kept) < 0.65 * sum(t.nbytes for t in wide)
    scale = float(single.abs().max())
    torch.testing.assert_close(half, single, rtol=0.0, atol=0.03 * scale)
    torch.testing.assert_close(half, fused, rtol=0.0, atol=0.03 * scale)
    for ours, kernels in zip(statistics, expected, strict=True):
        torch.testing.assert_close(ours, kernels, rtol=0.02, atol=0.02)


def test_no_layer_uses_an_operation_that_a_gpu_cannot_repeat_bit_for_bit() -> None:
    networks = [initialise(cases.EVERY_NODE, np.random.default_rng(0)), *map(cases.varied, (1, 3))]
    with Machine() as gpu:
        for number, network in enumerate(networks):
            images = torch.randn(4, *network.architecture.shapes[0])
            _trained(network, "cuda", half=bool(number), images=images)
    assert {"amax", "avg_pool2d", "max_pool2d_with_indices", "gelu"} <= set(gpu.ops)
    assert not undetermined(gpu.ops)
