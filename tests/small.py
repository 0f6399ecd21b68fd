"""Stages of seconds: 56 images, networks of two convolutions, 7 steps (or LONG: 35)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasflow.stages import rounds, training
from nasflow.storage.files import read_json
from nasflow.storage.splits import write_splits
from nasflow.training.snapshot import Snapshot

Run = Callable[..., None]

SEARCH = {
    "n_neigh": 2,
    "particles": 60,
    "batch_size": 8,
    "validation_batch_size": 8,
    "warmup_steps": 2,
    "window": 5,
    "weight_average": 20,
    "mobility": 0.3,
    "max_steps": 7,
}
OTHERS = {"validation": "independent", "second_order": {"kinetic": True, "restart": "never"}}
TRAINED = {"batch_size": 8, "epochs": 1.0, "shards": 2, "warmup": 0.3, "label_smoothing": 0.1}
STATUS = "status.json"


def prepare(here: Path) -> Path:
    """Write small data, pretrain a network on them, and return the folder."""
    rng = np.random.default_rng(0)
    arrays = {
        name: (rng.integers(0, 255, (count, 8, 8, 1)).astype(np.uint8), np.arange(count) % 3)
        for name, count in (("train", 56), ("validation", 24), ("test", 24))
    }
    facts: dict[str, Any] = {"classes": ["a", "b", "c"], "channels": 1, "height": 8, "width": 8}
    facts["counts"] = {n: np.bincount(labels).tolist() for n, (_, labels) in arrays.items()}
    facts["duplicates"] = {"validation": 0, "test": 0}
    write_splits(here / "data", arrays, facts | {"mean": [0.4], "std": [0.2]})
    pretrain(here, here / "pretrain")
    return here


def pretrain(folder: Path, out: Path, seed: int = 0, epochs: float = 1.0) -> None:
    sections = {"base": {"widths": [4, 4]}, "pretrain": {"batch_size": 8, "epochs": epochs}}
    given = {"algorithm": "nasgd", **_given(folder, seed)}
    training.pretrain(config=json.dumps(sections), out=out / "network", **given)


def final(folder: Path, out: Path, seed: int = 0, **more: Any) -> None:
    parent, config = folder / "pretrain/network", json.dumps({"final": TRAINED | more})
    given = _given(folder, seed)
    training.final_train(config=config, parent=parent, out=out / "network", **given)


def options(
    folder: Path,
    out: Path,
    seed: int = 0,
    algorithm: str = "nasgd",
    steps: int | None = None,
    epochs: float = 1.0,
    **more: Any,
) -> dict[str, Any]:
    """Return the options of `search_round`, except device and threads."""
    sections = {
        "search": SEARCH | more,
        "baselines": {"epochs_neigh": epochs},
        "augment": {"shift": 1},
    }
    return {
        "config": json.dumps(sections),
        "algorithm": algorithm,
        "data": folder / "data",
        "parent": folder / "pretrain/network",
        "budget": json.dumps({"rounds": 9, "steps": steps}),
        "seed": seed,
        "round": 1,
        "out": out,
    }


def one_round(folder: Path, out: Path, *given: Any, **more: Any) -> None:
    rounds.search_round(**options(folder, out, *given, **more), device="cpu", threads=1)


def second(folder: Path, out: Path, seed: int = 0, **more: Any) -> None:
    one_round(folder, out, seed, "nasagd", **OTHERS, **more)


def nash(folder: Path, out: Path, seed: int = 0, epochs: float = 1.0) -> None:
    one_round(folder, out, seed, "nash", epochs=epochs)


def _given(folder: Path, seed: int) -> dict[str, Any]:
    return {"data": folder / "data", "seed": seed, "device": "cpu", "threads": 1}


STAGES: dict[str, Run] = {
    "pretrain": pretrain,
    "final": final,
    "nasgd": one_round,
    "nasagd": second,
    "nash": nash,
}
LONG: dict[str, Run] = {
    "pretrain": partial(pretrain, epochs=5.0),
    "final": partial(final, epochs=5.0),
    "nasgd": partial(one_round, max_steps=35, min_lead=10.0),
    "nasagd": partial(second, max_steps=35, min_lead=10.0),
    "nash": partial(nash, epochs=5.0),
}


def results(out: Path) -> dict[str, bytes]:
    """Return all files of a stage, and of its status what does not depend on time."""
    files = {p.name: p.read_bytes() for p in out.iterdir() if p.name != STATUS}
    status = read_json(out / STATUS)
    del status["seconds"], status["started"]
    status.get("totals", {}).pop("seconds", None)
    return files | {STATUS: json.dumps(status).encode()}


def sketch(step: int) -> Snapshot:
    arrays = {"a": np.array([1.0, np.nan]), "mass": np.array(0.1)}
    return Snapshot(step, {"rows": [0.1, None, float("nan")]}, arrays, [{"x": torch.ones(3)}] * 2)
