"""Published architectures, written down as ours."""

from __future__ import annotations

import numpy as np
import torch

from nasflow.architecture.architecture import Architecture
from nasflow.comparison.published import NASGD1_CONVOLUTIONS, nasgd1
from nasflow.network.network import forward, initialise


def test_nasgd1_is_built_and_has_its_published_size() -> None:
    g = nasgd1()
    assert round(g.parameters / 1e6, 1) == 28.6
    kernels = sum(a * b * k * k for a, b, k, _ in NASGD1_CONVOLUTIONS)
    others = sum(2 * b for _, b, _, _ in NASGD1_CONVOLUTIONS) + 256 * 10 + 10
    mixes = sum(g.shapes[n.id][0] for n in g.nodes if n.op == "add")
    assert g.parameters == kernels + others + mixes
    assert [c.width for c in g.convs] == [b for _, b, _, _ in NASGD1_CONVOLUTIONS]
    assert Architecture.from_json(g.to_json()) == g
    n = initialise(g, np.random.default_rng(0))
    logits = forward(g, n.x, n.buffers, torch.randn(2, 3, 32, 32), training=True)
    assert logits.shape == (2, 10)
    assert torch.isfinite(logits).all()
