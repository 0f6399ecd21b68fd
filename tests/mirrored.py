"""Results as a search leaves them, made up, and what an MLflow mirror says of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from nasflow.architecture.templates import chain
from nasflow.storage.files import write, write_json
from nasflow.storage.manifest import write_manifest
from nasflow.storage.tables import write_table
from nasflow.tracking import mirror, waiting

STARTED = 1_790_000_000.0


MORPHISMS = ["", "deepen", "widen", "connect_add", "deepen", "widen", "narrow", "shallow", "widen"]


NETWORK = chain((4, 8), 3, (1, 8, 8), 10).to_json()


PLACE: dict[str, Any] = {"experiment": "digits", "algorithm": "nasgd", "seed": 0}


def write_round(
    search: Path, number: int, steps: int = 300, seconds: float = 40.0, phi: float = 0.0
) -> Path:
    """Write a round whose mass moves from the parent to the best child.

    The losses V fall, and tau follows a cosine.
    """
    random = np.random.default_rng(number)
    folder = search / "search" / f"round_{number}"
    nodes = len(MORPHISMS)
    gain = np.concatenate([[0.0], random.normal(0.0, 0.04, nodes - 1)])
    winner = int(gain.argmax())
    rows = []
    for step in range(1, steps + 1):
        loss = (0.9 - 0.05 * number) * np.exp(-step / 400) - gain * step / steps
        loss = loss + random.normal(0, 0.004, nodes)
        mass = np.exp(12.0 * gain * step / steps)
        mass = mass / mass.sum()
        tau = 0.01 + 0.245 * (1 + np.cos(np.pi * (step % 150) / 150))
        for node in range(nodes):
            rows.append(
                {
                    "step": step,
                    "k": 300 * (number - 1) + step,
                    "node": node,
                    "count": int(1000 * mass[node]),
                    "count_after": int(1000 * mass[node]),
                    "price": 0.0,
                    "kinetic": 0.0,
                    "trend": 0.0,
                    "share": float(mass[node]),
                    "validation_loss": float(loss[node]),
                    "train_loss": float(loss[node]) - 0.05,
                    "energy": float(loss[node] + 0.05 * np.log(mass[node])),
                    "tau": float(tau),
                    "moved": int(random.integers(0, 20)),
                    "weight": 0.05,
                    "standard_error": 0.003,
                    "phi": phi * step * node,
                    "restarted": False,
                }
            )
    last = rows[-nodes:]
    siblings = [
        {
            "node": node,
            "parent": f"{number - 1:016x}",
            "morphism": MORPHISMS[node],
            "site": f"conv_{node}" if node else "",
            "fingerprint": f"{number:08x}{node:08x}",
            "parameters": 6000 + 800 * number + 100 * node,
            "flops": 1_000_000 + 90_000 * number,
            "output_change": 0.01,
            "train_change": 0.02,
            "jump": 0.0,
            "count": last[node]["count"],
            "share": last[node]["share"],
            "validation_loss": last[node]["validation_loss"],
            "winner": node == winner,
        }
        for node in range(nodes)
    ]
    files = {
        name: write_table(folder / name, table)
        for name, table in (("particles.parquet", rows), ("architectures.parquet", siblings))
    }
    write_network(folder / "winner")
    facts = {
        "conv_layers": 3 + number // 2,
        "parameters": siblings[winner]["parameters"],
        "flops": siblings[winner]["flops"],
    }
    status = {
        "schema": 1,
        "stage": "search_round",
        "algorithm": "nasgd",
        "seed": 0,
        "round": number,
        "reason": "recentred" if winner else "max_steps",
        "winner": winner,
        "morphism": MORPHISMS[winner],
        "steps": steps,
        "k": 300 * number,
        "children": nodes - 1,
        "fingerprint": siblings[winner]["fingerprint"],
        **facts,
        "validation_loss": last[winner]["validation_loss"],
        "validation_accuracy": 0.9 + 0.01 * number,
        "seconds": seconds,
        "started": STARTED + 100 * number,
        "totals": {"rounds": number, "steps": 300 * number, "architectures": 8 * number} | facts,
        "files": files,
    }
    write_json(folder / "status.json", status)
    return folder


def write_network(stem: Path, text: str = NETWORK) -> None:
    """Write an architecture and a manifest that names it, without tensors."""
    path = stem.with_name(f"{stem.name}.architecture.json")
    files = {path.name: write(path, text.encode())}
    write_manifest(stem.with_name(f"{stem.name}.json"), 0, "sgd", files)


def write_training(folder: Path, stage: str, started: float, accuracy: float) -> Path:
    """Write a training of 500 steps that measures validation images every 50 steps."""
    rows: list[dict[str, Any]] = []
    for step in range(1, 501):
        measured = step % 50 == 0
        rows.append(
            {
                "step": step,
                "epoch": step / 50,
                "tau": 0.25 * (1 + float(np.cos(np.pi * step / 500))),
                "train_loss": 2.3 * float(np.exp(-step / 150)),
                "validation_loss": 2.3 * float(np.exp(-step / 170)) if measured else None,
                "validation_accuracy": accuracy * step / 500 if measured else None,
            }
        )
    history = write_table(folder / "history.parquet", rows)
    write_network(folder / "network")
    status = {
        "schema": 1,
        "stage": stage,
        "seconds": 60.0,
        "started": started,
        "steps": 500,
        "epochs": 10.0,
        "train_loss": 0.1,
        "validation_loss": 0.12,
        "validation_accuracy": accuracy,
        "parameters": 6000,
        "flops": 1_000_000,
        "fingerprint": "00aa",
        "files": {"history.parquet": history},
    }
    write_json(folder / "status.json", status)
    return folder


def write_search(results: Path, rounds: int = 2, seed: int = 0, final: bool = True) -> Path:
    """Write results/digits/nasgd/seed_s with everything that a finished search leaves."""
    search = results / "digits" / "nasgd" / f"seed_{seed}"
    write_training(search / "pretrain", "pretrain", STARTED, 0.9)
    for number in range(1, rounds + 1):
        write_round(search, number)
    if final:
        summary = {"reason": "rounds", "fingerprint": "00bb", "rounds": rounds}
        write_json(search / "search" / "summary.json", summary)
        write_training(search / "final", "final_train", STARTED + 5000, 0.97)
        metrics = {
            "schema": 1,
            "test_accuracy": 0.9625,
            "test_error": 0.0375,
            "test_loss": 0.13,
            "validation_accuracy": 0.97,
            "validation_loss": 0.12,
            "parameters": 9000,
            "flops": 1_300_000,
            "conv_layers": 4,
            "rounds": rounds,
            "recentred": rounds,
            "architectures": 8 * rounds,
            "steps": 300 * rounds,
            "seconds": {"pretrain": 60.0, "search": 80.0, "final": 60.0, "total": 200.0},
        }
        write_json(search / "final" / "metrics.json", metrics)
        (search / "final" / "summary.txt").write_text("test accuracy 96.25 %\n")
    return search


def uri(results: Path) -> str:
    return f"sqlite:///{results / 'mlflow.db'}"


def runs(uri: str) -> dict[str, Any]:
    """Return the runs by their tag nasflow.key. Two runs with the same key are an error."""
    client = mirror._client(uri)
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    keys = [run.data.tags["nasflow.key"] for run in found]
    assert len(keys) == len(set(keys))
    return dict(zip(keys, found, strict=True))


def curve(uri: str, run: Any, key: str) -> dict[int, float]:
    history = mirror._client(uri).get_metric_history(run.info.run_id, key)
    assert len({point.step for point in history}) == len(history)
    return {point.step: point.value for point in history}


def idle() -> float:
    """Return the seconds that went by without work.

    A busy machine makes work longer, which is not the fault of a server.
    """
    return time.monotonic() - waiting._busy()


def content(uri: str) -> dict[str, Any]:
    """Return all that a mirror says, without the ids of its runs."""
    found = runs(uri)
    names = {run.info.run_id: run.info.run_name for run in found.values()}
    said = {}
    for key, run in found.items():
        tags = dict(run.data.tags)
        tags["parent"] = names.get(tags.pop(mirror.PARENT, ""))
        for other, name in names.items():
            tags[mirror.NOTE] = tags[mirror.NOTE].replace(other, name)
        said[key] = (
            run.info.run_name,
            (run.info.start_time, run.info.end_time, run.info.status),
            tags,
            run.data.params,
            {name: curve(uri, run, name) for name in run.data.metrics},
        )
    return said


def files_of(results: Path) -> dict[str, bytes]:
    """Return every file of the results except those of the mirror."""
    files = (path for path in results.rglob("*") if path.is_file())
    parts = ((path, str(path.relative_to(results))) for path in files)
    return {name: path.read_bytes() for path, name in parts if not name.startswith("ml")}
