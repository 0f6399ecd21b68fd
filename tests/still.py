"""Rounds in memory whose particles stand still, for tests of networks that drop out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from nasflow.config.data import Augment
from nasflow.config.kinds import Algorithm
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.search.particle_round import Stop, stopped
from nasflow.search.round import Setting
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.splits import read_split
from nasflow.storage.tables import read_table

PARTICLES, ARCHITECTURES = "particles.parquet", "architectures.parquet"


STILL = {"warmup_steps": 99, "max_steps": 12}


def setting(folder: Path, **search: Any) -> Setting:
    options = parse(Search, {"n_neigh": 5, "epochs_neigh": 2.0, **search})
    train, validation = (read_split(folder / "data", s, "cpu") for s in ("train", "validation"))
    return Setting(
        Algorithm.NASGD, options, Augment(), train, validation, seed=3, number=1, workers=1
    )


def states(folder: Path, **search: Any) -> tuple[list[dict[str, torch.Tensor]], Stop]:
    parent = read_checkpoint(folder / "pretrain/network").network
    with stopped(parent, 0, setting(folder, **search), lambda *_: None) as stop:
        return [stop.live.state(i) for i in range(len(stop.live))], stop


def rows(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_table(out / ARCHITECTURES).to_pylist()
    return found
