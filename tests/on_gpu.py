"""Small searches and steps on a pretended GPU (module `pretended_gpu`), for several tests."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from cases import images
from pretended_gpu import Machine
from sklearn.datasets import load_digits

import nasflow
from nasflow.network.network import Network
from nasflow.stages.found import Found
from nasflow.training.loop import Progress

KINDS = ("wait", "h2d", "d2h", "launch")
SECTIONS: dict[str, Any] = {
    "base": {"widths": [4, 4]},
    "pretrain": {"epochs": 0.3, "batch_size": 16, "shards": 1},
    "search": {
        "n_neigh": 2,
        "particles": 50,
        "max_steps": 4,
        "warmup_steps": 2,
        "batch_size": 16,
        "validation_batch_size": 16,
        "weight_average": 4,
    },
    "baselines": {"n_neigh": 2, "n_morphisms": 1, "epochs_neigh": 0.2},
    "budget": {"rounds": 1},
    "final": {"epochs": 0.3, "batch_size": 16, "shards": 1},
}


class Most(NamedTuple):
    """What a usual step costs, or the most that it may cost.

    Attributes:
        wait: how often the host waits for the GPU.
        h2d: copies from the host to the GPU.
        d2h: copies from the GPU to the host.
        launch: launches of the host; a replay of a graph is one.
        captured: operations in the graph.
    """

    wait: int
    h2d: int
    d2h: int
    launch: int
    captured: int


def near(found: Network, wanted: Network) -> None:
    """Check that two networks are the same up to rounding; the first may live on a GPU."""
    assert found.architecture.fingerprint == wanted.architecture.fingerprint
    for name, t in wanted.x.items():
        away = torch.linalg.vector_norm(found.x[name].cpu() - t)
        assert away <= 1e-3 * torch.linalg.vector_norm(t) + 1e-4 * len(t) ** 0.5, name


def digits(count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return images of digits, uint8 (count, 8, 8), and their labels."""
    found = load_digits()
    return (found.images[:count] * 15).astype(np.uint8), found.target[:count]


def search(
    algorithm: str = "nasgd",
    device: str = "cuda",
    start: Network | None = None,
    progress: Progress = lambda done, of, note: None,
    **sections: Any,
) -> Found:
    """Run a search of one round in memory; sections are laid over those of SECTIONS."""
    names = SECTIONS.keys() | sections.keys()
    given = {name: SECTIONS.get(name, {}) | sections.get(name, {}) for name in names}
    more: dict[str, Any] = {"algorithm": algorithm, "device": device, "start": start}
    return nasflow.run_search(*digits(), progress=progress, **more, **given)


def usual_step(sections: dict[str, Any], training: int) -> Most:
    """Return the counts of a step of one training of a search: the medians of all but the first."""
    rows: list[list[Counter[str]]] = []
    before = Counter[str]()
    with Machine() as gpu:

        def progress(done: int, of: int, note: str) -> None:
            nonlocal before
            if done == 1:
                rows.append([])
            rows[-1].append(gpu.count - before)
            before = gpu.count.copy()

        # More validation images than the default, so that not every step begins an epoch of them.
        search("nasgd", progress=progress, data={"validation_fraction": 0.4}, **sections)
    steps = rows[training][1:-1]
    assert len(steps) >= 3
    captured = gpu.captured[training] if len(gpu.captured) > training else 0
    return Most(*(int(median(step[kind] for step in steps)) for kind in KINDS), captured)


def batch(seed: int, device: str = "cuda") -> tuple[torch.Tensor, torch.Tensor]:
    """Return 8 random images for the networks of `cases.network`, and labels of 5 classes."""
    return images(8, seed=seed).to(device), (torch.arange(8) % 5).to(device)
