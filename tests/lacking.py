"""Kept states that lack a part, as a keeper that forgets this part would write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasflow.storage.generations import Generation, generations
from nasflow.training.snapshot import Snapshot

Loss = Callable[[Snapshot], Snapshot]


def zero(part: str, s: Snapshot) -> Snapshot:
    """Return a state in which all tensors and arrays whose names start with `part` are zero."""
    siblings = [
        {n: torch.zeros_like(t) if n.startswith(part) else t for n, t in tensors.items()}
        for tensors in s.siblings
    ]
    arrays = {n: np.zeros_like(a) if n.startswith(part) else a for n, a in s.arrays.items()}
    assert [n for n in (*arrays, *siblings[0]) if n.startswith(part)]
    return s._replace(siblings=siblings, arrays=arrays)


def shorter(fact: str, s: Snapshot) -> Snapshot:
    assert s.facts[fact]
    return s._replace(facts={**s.facts, fact: s.facts[fact][1:]})


def instead(name: str, values: Any, s: Snapshot) -> Snapshot:
    return s._replace(arrays={**s.arrays, name: np.array(values)})


def reader(loss: Loss) -> Callable[[Path], Iterator[Generation]]:
    """Return a function that replaces `generations` and gives states without a part."""

    def damaged(folder: Path) -> Iterator[Generation]:
        for g in generations(folder):
            yield g._replace(snapshot=loss(g.snapshot))

    return damaged


LACKING: dict[str, Loss] = {
    **{f"final {part}": partial(zero, part) for part in ("x.", "buffers.", "v.")},
    "final rows": partial(shorter, "rows"),
    **{
        f"nasagd {part}": partial(zero, part)
        for part in (
            *("x.", "buffers.", "v.", "mean x.", "mean buffers."),
            *("average._loss", "average._difference", "average._square"),
            *("average._last", "average._mass_square"),
            *("particles.phi", "step.V", "info.moved"),
        )
    },
    "nasgd average._product": partial(zero, "average._product"),
    "nasgd average._mass_product": partial(zero, "average._mass_product"),
    "nasgd counts": partial(instead, "particles.counts", [1, 9, 9]),
    "nasgd dead": partial(instead, "dropouts.at", [0, 2, 0]),
}
