"""The part of benchmarks/gpu.py that runs the pipeline: config/cifar10_h100.yaml, shortened."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

Row = dict[str, object]
ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = "cifar10_h100"
SEARCH = f"results/{EXPERIMENT}/nasgd/seed_0"
LEAST = 20.0  # seconds below which the pipeline is not started
# Parts of the seconds. The rest is for the programs: preparing the images and starting the stages.
TRAINING, SEARCHING = 0.75, 0.2
DRY = {  # the same keys with tiny values, for the CPU
    "threads": 2,
    "augment": {"flip": False, "shift": 1},
    "base": {"widths": [4, 8, 16]},
    "pretrain": {"epochs": 0.5, "batch_size": 64, "precision": "float32"},
    "search": {"n_neigh": 2, "max_steps": 20, "warmup_steps": 10, "burn_in": 2, "batch_size": 32},
    "final": {"batch_size": 64, "precision": "float32", "cutout": 2},
}


def shortened(device: str, folder: Path, data: Path | None, seconds: float) -> Iterator[Row]:
    """Run the configuration in some seconds, and tell what each stage took and the test error.

    Args:
        device: cuda or cpu; on a CPU all sizes are tiny.
        folder: where the pipeline runs; its results stay there.
        data: the folder with train*.parquet and test*.parquet; None for the digits.
        seconds: the time for all of it.

    Raises:
        ValueError: if there are too few seconds.
        RuntimeError: if the pipeline fails; its last line says why.
    """
    if seconds < LEAST:
        raise ValueError(f"{seconds:.0f} s are left; expected at least {LEAST:.0f}")
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "short.yaml"
    own.write_text(yaml.safe_dump(_overlay(device, data, seconds)))
    began = time.monotonic()
    files = [str(ROOT / "config/cifar10_h100.yaml"), str(own)]
    command = [
        *(sys.executable, "-m", "snakemake", "--cores", "4", "--directory", str(folder)),
        *("--snakefile", str(ROOT / "Snakefile"), "--profile", str(ROOT / "profiles/gpu")),
        *("--configfile", *files, "--config", f"device={device}", "--", "final_model"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 20)
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("nasflow")]
        raise RuntimeError((lines or done.stderr.splitlines() or ["no output"])[-1])
    yield {"what": "wall clock of the command, s", "value": time.monotonic() - began}
    yield from _found(folder / SEARCH)


def _overlay(device: str, data: Path | None, seconds: float) -> dict[str, object]:
    """Return the keys that lie over the configuration."""
    short: dict[str, object] = dict(DRY) if device == "cpu" else {}
    short["data"] = {"source": "digits"}
    if data is not None:
        train, test = (str(data.resolve() / f"{name}*.parquet") for name in ("train", "test"))
        short["data"] = {"source": "parquet", "train": train, "test": test}
    final = short.get("final", {})
    assert isinstance(final, dict)
    short["final"] = final | {"total_seconds": TRAINING * seconds}
    short["budget"] = {"seconds": SEARCHING * seconds}
    return short


def _found(search: Path) -> Iterator[Row]:
    """Tell the seconds of each stage, the moves of the search and the test error."""
    for name in ("pretrain", "final"):
        status = json.loads((search / name / "status.json").read_text())
        yield {"what": f"{name}, s", "value": float(status["seconds"])}
    rounds = sorted((search / "search").glob("round_*/status.json"))
    read = [json.loads(file.read_text()) for file in rounds]
    yield {"what": "rounds", "value": len(read)}
    yield {"what": "rounds, s", "value": float(sum(status["seconds"] for status in read))}
    yield {"what": "ends of the rounds", "value": ", ".join(str(s["reason"]) for s in read)}
    metrics = json.loads((search / "final/metrics.json").read_text())
    for name in ("test_accuracy", "test_accuracy_mirrored", "parameters", "flops"):
        if name in metrics:
            yield {"what": name, "value": metrics[name]}
