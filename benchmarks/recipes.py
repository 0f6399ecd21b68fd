"""What each part of the recipe of the final training is worth, on a network and data of your own.

    python benchmarks/recipes.py results/E/A/seed_0/search/winner results/E/data --flops 4e13

Every recipe trains the same network from the same weights with the same compute. A recipe differs
from `reference` only in what its name says. The Markdown table gives the error on the validation
split, which the training never sees, and the steps per second. One line of JSON for each run is
appended to the file --out.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from nasflow.config.data import Augment
from nasflow.config.reading import parse
from nasflow.config.training import Final
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.splits import read_split
from nasflow.training.duration import length
from nasflow.training.train import TrainingJob, train

REFERENCE: dict[str, Any] = {
    "epochs": None,
    "batch_size": 128,
    "optimizer": "sgd",
    "lambda_start": 0.1,
    "momentum": 0.9,
    "warmup": 0.1,
    "label_smoothing": 0.1,
}
MUON = {"optimizer": "muon", "lambda_start": 0.1, "momentum": 0.6}
RECIPES: dict[str, dict[str, Any]] = {
    "reference": {},
    "without Nesterov's momentum": {"momentum": 0.0, "lambda_start": 0.5},
    "without label smoothing": {"label_smoothing": 0.0},
    "heavy ball": {"optimizer": "heavy_ball", "lambda_start": 0.3},
    "cutout 8": {"cutout": 8},
    "alternating flip": {"alternating_flip": True},
    "weights averaged over 30 steps": {"weight_average": 30},
    "weights averaged over 300 steps": {"weight_average": 300},
    "two shards": {"shards": 2},
    "bfloat16": {"precision": "bfloat16"},
    "muon 0.05": MUON | {"lambda_start": 0.05},
    "muon 0.1": MUON,
    "muon 0.2": MUON | {"lambda_start": 0.2},
    "muon 0.1, momentum 0.9": MUON | {"momentum": 0.9, "lambda_start": 0.1},
    "muon 0.1, alternating flip": MUON | {"alternating_flip": True},
    "muon 0.1, bfloat16": MUON | {"precision": "bfloat16"},
    "muon 0.1, crop 0.6": MUON,
    "muon 0.1, colour 0.2": MUON,
    "muon 0.1, erase 0.5": MUON,
    "muon 0.1, mixup 0.2": MUON,
    "muon 0.1, cutmix 1": MUON,
}
# What the section `augment` says beside `flip` and `shift`, by the name of the recipe.
AUGMENT: dict[str, dict[str, float]] = {
    "muon 0.1, crop 0.6": {"crop": 0.6},
    "muon 0.1, colour 0.2": {"colour": 0.2},
    "muon 0.1, erase 0.5": {"erase": 0.5},
    "muon 0.1, mixup 0.2": {"mixup": 0.2},
    "muon 0.1, cutmix 1": {"cutmix": 1.0},
}


def measure(arguments: argparse.Namespace, name: str, seed: int) -> dict[str, Any]:
    """Do one run, and return its error, its loss and its steps per second (`rate`)."""
    changes = {"shards": 1, "flops": arguments.flops} | REFERENCE | RECIPES[name]
    stage = parse(Final, changes, "final")
    network = read_checkpoint(arguments.network).network.to(arguments.device)
    data, validation = (
        read_split(arguments.data, split, arguments.device) for split in ("train", "validation")
    )
    job = TrainingJob(
        stage,
        Augment(flip=True, shift=arguments.shift, **AUGMENT.get(name, {})),
        length(stage, len(data), network.architecture.flops),
        purpose="final",
        seed=seed,
        workers=arguments.workers,
    )
    began = time.perf_counter()
    facts: dict[str, Any] = train(network, data, validation, job, lambda *_: None).facts
    seconds = time.perf_counter() - began
    return {
        "recipe": name,
        "seed": seed,
        "error": 1.0 - facts["validation_accuracy"],
        "loss": facts["validation_loss"],
        "rate": facts["steps"] / seconds,
    }


def main() -> None:
    """Run all recipes in turn for every seed, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=Path, help="the checkpoint, without its ending")
    parser.add_argument("data", type=Path, help="the folder that the stage `prepare` wrote")
    parser.add_argument("--flops", type=float, default=4e13)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--shift", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("recipes.jsonl"))
    arguments = parser.parse_args()
    runs = []
    for seed in arguments.seeds:
        for name in arguments.recipes:
            runs.append(measure(arguments, name, seed))
            with open(arguments.out, "a") as file:
                file.write(json.dumps(runs[-1]) + "\n")
    print("| recipe | validation error | loss | steps per second |\n| --- | --- | --- | --- |")
    for name in arguments.recipes:
        own = [run for run in runs if run["recipe"] == name]
        errors = [run["error"] for run in own]
        spread = f" +- {np.std(errors, ddof=1):.2%}" if len(own) > 1 else ""
        loss, rate = (np.mean([run[key] for run in own]) for key in ("loss", "rate"))
        print(f"| {name} | {np.mean(errors):.2%}{spread} | {loss:.4f} | {rate:.1f} |")


if __name__ == "__main__":
    main()
