"""Shapes and random maps for the tests of the kernels."""

from __future__ import annotations

import torch
from torch import Tensor

SHAPES = [(6, 16, 8, 8), (6, 5, 7, 9), (3, 8, 4, 4), (1, 3, 2, 2), (5, 24, 6, 5), (2, 130, 3, 2)]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
