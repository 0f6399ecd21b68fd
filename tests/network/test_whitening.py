"""Whitening filters: what they make of the images that they were computed from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import batch_of
from torch import Tensor

from nasflow.architecture.templates import TEMPLATES, stack
from nasflow.network.network import forward, initialise
from nasflow.network.whitening import FLOOR, IMAGES, filters, whitened


def coloured(channels: int, count: int = 400, side: int = 8, seed: int = 0) -> Tensor:
    """Images whose neighbouring pixels and channels are correlated, (count, channels, ...)."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, channels, side + 1, side + 1))
    near = noise[:, :, 1:, 1:] + 0.5 * noise[:, :, :-1, 1:] + 0.3 * noise[:, :, 1:, :-1]
    return torch.tensor(near + 0.4 * near[:, :1] + 2.0)


def patches(images: Tensor, side: int) -> Tensor:
    """All patches that do not overlap, one for each row, cut out by loops."""
    return torch.stack(
        [
            images[:, :, i : i + side, j : j + side].flatten(1)
            for i in range(0, images.shape[2] - side + 1, side)
            for j in range(0, images.shape[3] - side + 1, side)
        ]
    ).flatten(0, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [2, 3])
def test_whitened_patches_are_uncorrelated_and_of_variance_one(channels: int, side: int) -> None:
    images = coloured(channels)
    numbers = channels * side * side
    found = filters(images, side, 2 * numbers)
    assert (found.shape, found.dtype) == ((2 * numbers, channels, side, side), torch.float32)
    white = patches(images, side).double() @ found[:numbers].flatten(1).double().T
    covariance = np.cov(white.numpy(), rowvar=False, bias=True)
    np.testing.assert_allclose(covariance, np.eye(numbers), atol=1e-5)


def test_faint_colours_of_photographs_are_whitened_too() -> None:
    """Their differences of colour have less than a hundredth of the variance of their grey."""
    grey, colours = coloured(1).expand(-1, 3, -1, -1), coloured(3)
    images = grey + 0.08 * (colours - colours.mean(1, keepdim=True))
    values = np.linalg.eigvalsh(np.cov(patches(images, 2).numpy(), rowvar=False, bias=True))
    faint = values[:8] / values.max()
    assert 1e-4 < faint.min() < faint.max() < 1e-2, "4 pixels, 2 differences of colour each"
    white = patches(images, 2).double() @ filters(images, 2, 24)[:12].flatten(1).double().T
    np.testing.assert_allclose(white.var(0, correction=0), 1.0, atol=1e-3)


def test_filters_come_in_pairs_of_opposite_sign() -> None:
    found = filters(coloured(3), 2, 24)
    assert torch.equal(found[12:], -found[:12])
    sizes = found[:12].flatten(1).norm(dim=1)
    assert (sizes.diff() >= 0).all(), "directions of large variance, which are scaled down, first"


def test_constant_images_give_finite_filters() -> None:
    for images in (torch.full((5, 3, 8, 8), 1.5), torch.zeros(1, 1, 8, 8)):
        assert filters(images, 2, 8 * images.shape[1]).isfinite().all()


def test_grey_images_in_three_channels_do_not_blow_up_their_noise() -> None:
    """Their differences of colours have no variance; it counts as FLOOR of the largest one."""
    grey = coloured(1).expand(-1, 3, -1, -1)
    found = filters(grey, 2, 24)
    largest = np.linalg.eigvalsh(np.cov(patches(grey, 2).numpy(), rowvar=False, bias=True)).max()
    most = 1.0 / np.sqrt(FLOOR * largest)
    sizes = found.flatten(1).norm(dim=1).numpy()
    assert sizes.max() == pytest.approx(most, rel=1e-5)
    white = patches(grey, 2) @ found[:12].flatten(1).double().T
    variances = white.var(0, correction=0)
    assert (variances < 1.0 + 1e-5).all() and (variances < 1e-6).sum() == 8


def test_all_whitens_of_a_network_are_set_and_nothing_else_is() -> None:
    g = stack((4, "P", 4), (2, 8, 8), 3, whiten=True)
    network, images = initialise(g, np.random.default_rng(0)), coloured(2).float()
    made = whitened(network, images)
    assert torch.equal(made.buffers["1.filters"], filters(images, 2, 16))
    assert not network.buffers["1.filters"].any(), "the network stays as it is"
    assert all(made.x[name] is t for name, t in network.x.items())
    assert all(made.buffers[n] is t for n, t in network.buffers.items() if n != "1.filters")
    plain = initialise(stack((4,), (2, 8, 8), 3), np.random.default_rng(0))
    assert whitened(plain, images).buffers.keys() == plain.buffers.keys()


def test_more_images_than_enough_change_nothing() -> None:
    network = initialise(stack((4,), (2, 8, 8), 3, whiten=True), np.random.default_rng(0))
    many = coloured(2, IMAGES + 50).float()
    one, two = (whitened(network, images).buffers["1.filters"] for images in (many, many[:IMAGES]))
    assert torch.equal(one, two)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_whitened_network_computes_finite_logits_of_any_images(channels: int) -> None:
    g = TEMPLATES["airbench"]((channels, 9, 8), 4)
    network = initialise(g, np.random.default_rng(0))
    for images in (batch_of(network, 16), torch.full((16, channels, 9, 8), 2.0)):
        _, x, buffers, _ = whitened(network, images)
        assert forward(g, x, dict(buffers), images, training=True).isfinite().all()
