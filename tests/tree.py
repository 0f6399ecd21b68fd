"""A small finished search on disk, as the workflow leaves it.

Run as a program, this file writes such a search under the folder that is its argument. The folder
tests/golden/schema_N was made like this, by the nasflow that wrote schema N.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from nasflow.stages import evaluation, front_measures, front_plan, selecting, training
from nasflow.stages.rounds import search_round
from nasflow.storage.files import read_json, write_json
from nasflow.storage.splits import write_splits

SEARCH = {
    "n_neigh": 3,
    "particles": 60,
    "batch_size": 8,
    "validation_batch_size": 8,
    "warmup_steps": 2,
    "window": 5,
    "max_steps": 6,
    "constraints": {"max_filters": 6, "min_filters": 2},
}
TRAINED = {"epochs": 1.0, "batch_size": 8}


def finished(experiment: Path, rounds: int = 2, algorithm: str = "nasgd") -> Path:
    """Run one search of some rounds and return the experiment's folder."""
    rng = np.random.default_rng(0)
    arrays = {
        name: (rng.integers(0, 255, (count, 8, 8, 1)).astype(np.uint8), np.arange(count) % 3)
        for name, count in (("train", 40), ("validation", 16), ("test", 16))
    }
    facts: dict[str, Any] = {"classes": ["a", "b", "c"], "channels": 1, "height": 8, "width": 8}
    facts["counts"] = {n: np.bincount(labels).tolist() for n, (_, labels) in arrays.items()}
    facts["duplicates"] = {"validation": 0, "test": 0}
    data, search = experiment / "data", experiment / algorithm / "seed_0"
    write_splits(data, arrays, facts | {"mean": [0.4], "std": [0.2]})
    given: dict[str, Any] = {"data": data, "seed": 0, "device": "cpu", "threads": 1}
    network, budget = search / "pretrain/network", json.dumps({"rounds": rounds})
    sections = {"base": {"widths": [4, 4]}, "pretrain": TRAINED}
    config = json.dumps(sections)
    training.pretrain(config=config, algorithm=algorithm, out=network, **given)
    selecting.plan(config=budget, out=search / "search/plan.json")
    folders = [search / f"search/round_{number}" for number in range(1, rounds + 1)]
    parents = [network, *(folder / "winner" for folder in folders)]
    config = json.dumps({"search": SEARCH, "baselines": {"n_neigh": 3, "epochs_neigh": 1.0}})
    for number, folder in enumerate(folders, 1):
        search_round(
            config=config,
            algorithm=algorithm,
            parent=parents[number - 1],
            budget=budget,
            round=number,
            out=folder,
            **given,
        )
    status, winner = network.with_name("status.json"), search / "search/winner"
    selecting.select_winner(
        algorithm=algorithm,
        pretrain=status,
        rounds=folders,
        plan=search / "search/plan.json",
        out=winner,
    )
    final = search / "final/network"
    training.final_train(config=json.dumps({"final": TRAINED}), parent=winner, out=final, **given)
    evaluation.evaluate(
        config="{}",
        data=data,
        network=final,
        search=winner.with_name("summary.json"),
        pretrain=status,
        out=final.with_name("metrics.json"),
        device="cpu",
        threads=1,
    )
    write_json(search / "tracking/final.json", {"schema": 1, "status": "pending", "error": None})
    return experiment


def add_front(search: Path, count: int = 3) -> Path:
    """Train, test and compare the networks of a front of a finished search; returns its folder."""
    plan, data = search / "front/plan.json", search.parents[1] / "data"
    final = {"front": count, **TRAINED}
    given: dict[str, Any] = {"data": data, "device": "cpu", "threads": 1}
    front_plan.select_front(
        config=json.dumps({"final": final}),
        pretrain=search / "pretrain/status.json",
        search=search / "search/summary.json",
        rounds=sorted((search / "search").glob("round_*")),
        prune=[],
        out=plan,
    )
    for row in read_json(plan)["networks"]:
        if not row["found"]:
            network, parent = (
                plan.parent / f"network_{row['index']}/network",
                search / row["source"],
            )
            config = json.dumps({"final": TRAINED})
            training.final_train(config=config, parent=parent, out=network, seed=0, **given)
            out = network.with_name("metrics.json")
            evaluation.front_evaluate(config="{}", network=network, out=out, **given)
    front_measures.measure_front(data=data, plan=plan, out=plan.with_name("front.json"))
    return plan.parent


if __name__ == "__main__":
    finished(Path(sys.argv[1]), rounds=1)
