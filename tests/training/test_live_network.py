"""Tensors of networks that train lie so that operations on lists take all of them at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nasflow.architecture.templates import chain
from nasflow.network.network import forward, initialise
from nasflow.training.live_network import live, restrided


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_velocities_and_new_tensors_have_the_strides_of_x(channels: int) -> None:
    network = live(initialise(chain((4, 8), 3, (channels, 8, 8), 5), np.random.default_rng(0)))
    g, x, buffers, v = network
    images = torch.randn(8, 8, 8, channels).permute(0, 3, 1, 2)
    loss = forward(g, x, buffers, images, training=True).square().sum()
    slopes = torch.autograd.grad(loss, list(x.values()))
    for name, slope in zip(x, slopes, strict=True):
        parts: list[Tensor] = [v[name], restrided(slope, x[name]), 2.0 * v[name]]
        assert {t.stride() for t in parts} == {x[name].stride()}, name
        torch.testing.assert_close(parts[1], slope, rtol=0.0, atol=0.0)


def test_strides_that_say_another_order_stay() -> None:
    last = torch.randn(4, 3, 3, 3).contiguous(memory_format=torch.channels_last)
    assert restrided(last, torch.zeros(4, 3, 3, 3)) is last


def test_kernels_of_several_channels_lie_in_the_order_of_the_images() -> None:
    network = live(initialise(chain((4, 8), 3, (3, 8, 8), 5), np.random.default_rng(0)))
    kernel = next(t for t in network.x.values() if t.ndim == 4)
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert kernel.requires_grad
