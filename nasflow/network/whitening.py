"""The filters of a whiten: fixed, and made from the covariance of patches of the training images.

A whitened first layer sees patches whose components are uncorrelated and of equal variance, so that
the layers behind it learn faster (Page 2019; Jordan 2024, arXiv 2404.00498).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nasflow.network.network import Network

IMAGES = 2000  # images from which the covariance is computed, at most
# Smallest eigenvalue that counts, relative to the largest. Grey images have few; the differences of
# colour in photographs are small, but no noise (docs/recipe.md).
FLOOR = 5e-5


def whitened(network: Network, images: Tensor) -> Network:
    """Set the filters of all whitens of a network that read the image.

    Args:
        network: the network; it stays as it is.
        images: normalised training images, (n, channels, height, width), at least one.

    Returns:
        The network with new filters; it shares the other tensors.
    """
    g, buffers = network.architecture, dict(network.buffers)
    for node in g.nodes:
        if node.op == "whiten":
            own = buffers[f"{node.id}.filters"]
            buffers[f"{node.id}.filters"] = filters(images[:IMAGES], node.kernel, node.width).to(
                own
            )
    return network._replace(buffers=buffers)


def filters(images: Tensor, kernel: int, width: int) -> Tensor:
    """Compute whitening filters, each eigenvector of the covariance of patches over its deviation.

    Each filter is followed, in the second half, by its negative, because an activation would lose
    one of the two signs. Eigenvalues below FLOOR times the largest one count as that much.

    Args:
        images: (n, channels, height, width).
        kernel: the side of a patch, pixels.
        width: the number of filters, twice the numbers of a patch.

    Returns:
        (width, channels, kernel, kernel), float32.
    """
    channels = images.shape[1]
    patches = images.unfold(2, kernel, kernel).unfold(3, kernel, kernel)
    rows = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels * kernel * kernel)
    moments = np.cov(rows.double().cpu().numpy(), rowvar=False, bias=True)
    values, vectors = np.linalg.eigh(np.atleast_2d(moments))
    values = np.maximum(values, FLOOR * max(float(values.max()), 1e-12))
    half = (vectors / np.sqrt(values)).T[::-1]
    both = np.concatenate([half, -half])[:width]
    return torch.tensor(both.copy(), dtype=torch.float32).reshape(-1, channels, kernel, kernel)
