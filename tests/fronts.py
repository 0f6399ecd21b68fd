"""Fronts as the workflow writes them, made up: front.json of a search without its networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nasflow.search.front import on_front
from nasflow.storage.files import read_json, write, write_json

# name, validation accuracy, parameters, FLOPs, RAM in int8 and latency in int8 (ms), by size. The
# validation split has 200 images. `prune 1` is beaten by `prune 2` in everything.
SIZES = (
    ("base", 0.870, 1_250, 40_000, 1_024, 0.012),
    ("prune 2", 0.935, 3_100, 130_000, 1_600, 0.018),
    ("prune 1", 0.930, 5_200, 210_000, 2_048, 0.024),
    ("round 2", 0.965, 9_800, 420_000, 2_048, 0.031),
    ("round 3", 0.970, 24_400, 1_280_000, 4_096, 0.055),
)


FINAL = ("fingerprint", "validation_accuracy", "test_accuracy")
COSTS = ("parameters", "flops", "flash_int8", "ram_int8", "latency_int8")


def row(index: int, facts: tuple[Any, ...], found: bool) -> dict[str, Any]:
    """One network of a front; its accuracy on test images falls as that on validation rises."""
    name, accuracy, parameters, flops, ram, latency = facts
    return {
        "index": index,
        "name": name,
        "source": f"search/round_{index}/winner",
        "found": found,
        "teacher": False,
        "share": 0.2,
        "fingerprint": f"{index:016x}",
        "conv_layers": 3,
        "parameters": parameters,
        "flops": flops,
        "flash_int8": parameters + 40,
        "flash_float32": 4 * parameters,
        "ram_int8": ram,
        "ram_float32": 4 * ram,
        "folder": "final" if found else f"front/network_{index}",
        "validation_accuracy": accuracy,
        "validation_loss": 0.2,
        "test_accuracy": 1.8 - accuracy,
        "test_accuracy_int8": 1.795 - accuracy,
        "validation_accuracy_int8": accuracy,
        "latency_int8": latency,
        "latency_float32": 2 * latency,
        "file_int8": parameters + 9_000,
        "file_float32": 4 * parameters + 6_000,
    }


def write_front(search: Path, sizes: tuple[tuple[Any, ...], ...] = SIZES, **changes: Any) -> Path:
    """Write the front.json and the front.csv of a search.

    Args:
        search: the folder of the search.
        sizes: the facts of each network, as in SIZES; the last one is the found one.
        changes: entries of every network that shall be others.
    """
    found = len(sizes)
    rows = [row(index, facts, index == found) | changes for index, facts in enumerate(sizes, 1)]
    if (search / "final/metrics.json").exists():  # a front says of the found network what they say
        metrics = read_json(search / "final/metrics.json")
        rows[-1] |= {key: metrics[key] for key in FINAL if key in metrics}
    accuracies = [one["validation_accuracy"] for one in rows]
    best = {cost: on_front(accuracies, [one[cost] for one in rows]) for cost in COSTS}
    for place, one in enumerate(rows):
        one["on_front"] = {cost: on[place] for cost, on in best.items()}
    table = "index,name\n" + "".join(f"{one['index']},{one['name']}\n" for one in rows)
    record = {
        "schema": 1,
        "algorithm": search.parent.name,
        "seed": int(search.name.removeprefix("seed_")),
        "images": {"validation": 200, "test": 400},
        "networks": rows,
        "files": {"front.csv": write(search / "front/front.csv", table.encode())},
    }
    write_json(search / "front/front.json", record)
    return search
