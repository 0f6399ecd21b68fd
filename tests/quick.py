"""Rounds of a second, in memory: 192 images of 8 x 8 and a base network of three convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nasflow.architecture.architecture import chain
from nasflow.config import experiment as config
from nasflow.network.network import Network, initialise
from nasflow.search import baselines
from nasflow.search.round import Limits, Round, Setting
from nasflow.training.batches import Split

STEPS = 6  # two epochs of 192 images by 64


def split_of(count: int, seed: int, labels: int = 3) -> Split:
    rng = np.random.default_rng(seed)
    y = np.arange(count) % labels
    images = rng.integers(0, 120, (count, 8, 8, 1)) + 60 * y[:, None, None, None]
    mean, std = torch.tensor([0.4]), torch.tensor([0.2])
    return Split(torch.tensor(images.astype(np.uint8)), torch.tensor(y), mean, std)


def setting_of(seed: int = 0, number: int = 1, limits: Limits | None = None, **own: Any) -> Setting:
    search = config.plain(config.Search(constraints=config.Constraints(max_filters=16)))
    options = config.plain(config.Baselines(epochs_neigh=2.0, n_morphisms=2))
    return Setting(
        "nash",
        search | options | own,
        {"flip": False, "shift": 1},
        split_of(192, 1),
        split_of(90, 2),
        seed=seed,
        number=number,
        workers=1,
        limits=limits or Limits(),
    )


def base_network() -> Network:
    return initialise(chain((4, 4, 8), 3, (1, 8, 8), 3), np.random.default_rng(0))


def round_of(algorithm: str, setting: Setting, k: int = 0) -> Round:
    return baselines.ROUNDS[algorithm](base_network(), k, setting, lambda *_: None)
