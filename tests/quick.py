"""Rounds of a second, in memory: 192 images of 8 x 8 and a base network of three convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nasflow.architecture.templates import chain
from nasflow.config.baselines import Baselines
from nasflow.config.data import Augment
from nasflow.config.kinds import Algorithm
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.network.network import Network, initialise
from nasflow.search.budget import Limits
from nasflow.search.recipe import ROUNDS
from nasflow.search.round import Round, Setting
from nasflow.training.batches import Split

STEPS = 6  # two epochs of 192 images by 64


def split_of(count: int, seed: int, labels: int = 3) -> Split:
    rng = np.random.default_rng(seed)
    y = np.arange(count) % labels
    images = rng.integers(0, 120, (count, 8, 8, 1)) + 60 * y[:, None, None, None]
    mean, std = torch.tensor([0.4]), torch.tensor([0.2])
    return Split(torch.tensor(images.astype(np.uint8)), torch.tensor(y), mean, std)


def setting_of(seed: int = 0, number: int = 1, limits: Limits | None = None, **own: Any) -> Setting:
    names = set(Baselines.model_fields)
    options = {"epochs_neigh": 2.0, "n_morphisms": 2} | {n: own.pop(n) for n in names & set(own)}
    baselines = parse(Baselines, options)
    search = baselines.over(parse(Search, {"constraints": {"max_filters": 16}} | own))
    return Setting(
        Algorithm.NASH,
        search,
        Augment(),
        split_of(192, 1),
        split_of(90, 2),
        seed=seed,
        number=number,
        workers=1,
        limits=limits or Limits(),
        baselines=baselines,
    )


def base_network() -> Network:
    return initialise(chain((4, 4, 8), 3, (1, 8, 8), 3), np.random.default_rng(0))


def round_of(algorithm: str, setting: Setting, k: int = 0) -> Round:
    return ROUNDS[Algorithm(algorithm)](base_network(), k, setting, lambda *_: None)
