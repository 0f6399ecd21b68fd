"""Kernels round to bfloat16 as torch does."""

from __future__ import annotations

import numpy as np
import torch

from nasflow.kernels.global_average import spread
from nasflow.kernels.maps import numbers


def test_rounding_to_bfloat16_is_that_of_torch() -> None:
    """Rounded are all 2^16 numbers, those halfway to the next one, and those beside
    the middle; NaN stays NaN."""
    bits = np.arange(2**16, dtype=np.uint32) << 16
    number = np.concatenate([bits + low for low in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF)])
    exact = torch.from_numpy(number.astype(np.uint32).view(np.float32))
    ours = torch.empty(len(exact), dtype=torch.bfloat16)
    with np.errstate(all="ignore"):
        spread(exact.numpy()[:, None], numbers(ours).reshape(-1, 1, 1, 1))
    nan = exact.isnan()
    assert torch.equal(ours[~nan], exact.bfloat16()[~nan])
    quiet = (number & 0x0040_0000 != 0) & (number & 0x7FFF_FFFF < 0x7FFF_8000)  # as made by CPUs
    kept = ours[nan & torch.from_numpy(quiet)]
    assert len(kept)
    assert kept.isnan().all()
