"""Small searches and steps on a pretended GPU (module `pretended_gpu`), for several tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from cases import images
from sklearn.datasets import load_digits

import nasflow
from nasflow.network.network import Network
from nasflow.stages.found import Found
from nasflow.training.loop import Progress

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


def batch(seed: int, device: str = "cuda") -> tuple[torch.Tensor, torch.Tensor]:
    """Return 8 random images for the networks of `cases.network`, and labels of 5 classes."""
    return images(8, seed=seed).to(device), (torch.arange(8) % 5).to(device)
