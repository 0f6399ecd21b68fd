"""A small data set, a network pretrained on it, and rounds from that network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from nasflow.stages import rounds, training
from nasflow.storage.splits import write_splits

RESULTS = ("winner.architecture.json", "winner.safetensors", "winner.json")
TABLES = ("particles.parquet", "architectures.parquet")


def prepare(folder: Path) -> Path:
    """Write dark to bright 8x8 images of three classes, and pretrain a network on them."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, count in (("train", 192), ("validation", 64), ("test", 64)):
        labels = np.arange(count) % 3
        noise = rng.integers(0, 90, (count, 8, 8, 1))
        arrays[name] = ((noise + 60 * labels[:, None, None, None]).astype(np.uint8), labels)
    facts = {"classes": ["a", "b", "c"], "channels": 1, "height": 8, "width": 8}
    write_splits(folder / "data", arrays, facts | {"mean": [0.4], "std": [0.2]})
    sections = {"base": {"widths": [4, 4, 8]}, "pretrain": {"epochs": 2.0}}
    training.pretrain(
        config=json.dumps(sections),
        algorithm="nasgd",
        data=folder / "data",
        seed=0,
        out=folder / "pretrain/network",
        device="cpu",
        threads=1,
    )
    return folder


def arguments(folder: Path, out: str, algorithm: str = "nasgd", **search: object) -> dict[str, str]:
    """Return the options of a round with six nodes and at most 60 steps."""
    return {
        "config": json.dumps(
            {
                "search": {"n_neigh": 5, "max_steps": 60, **search},
                "baselines": {"n_neigh": 5, "epochs_neigh": 5},
            }
        ),
        "algorithm": algorithm,
        "data": str(folder / "data"),
        "parent": str(folder / "pretrain/network"),
        "budget": json.dumps(BUDGET),
        "seed": "3",
        "round": "1",
        "out": str(folder / out),
    }


BUDGET = {"rounds": 9}


def run(
    folder: Path,
    out: str,
    threads: int,
    algorithm: str = "nasgd",
    budget: dict[str, object] | None = None,
    **search: object,
) -> Path:
    """Run a round in this process and return its folder."""
    options = arguments(folder, out, algorithm, **search)
    rounds.search_round(
        config=options["config"],
        algorithm=algorithm,
        data=folder / "data",
        parent=folder / "pretrain/network",
        budget=json.dumps(budget or BUDGET),
        seed=3,
        round=1,
        out=folder / out,
        device="cpu",
        threads=threads,
    )
    return folder / out


def start(
    options: dict[str, str], every: str = "60", cwd: Path | None = None, **more: object
) -> subprocess.Popen[str]:
    """Start a round as a user's command, which keeps its state every `every` seconds."""
    given = {**options, **more}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-P", "-m", "nasflow", "search_round", *words]
    environment = os.environ | {"NASFLOW_CHECKPOINT_SECONDS": every}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True)
