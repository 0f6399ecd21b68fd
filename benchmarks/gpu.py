"""What one GPU does with nasflow, in at most nine minutes. Written for ten minutes on a lent GPU.

    python benchmarks/gpu.py OUT --data FOLDER   # on a GPU; CIFAR-10 as train*, test*.parquet
    python benchmarks/gpu.py OUT --dry           # the same stages, tiny, on the CPU

The stages run in the order of their worth, and each of them writes its rows at once. OUT/rows.jsonl
has one line for each row, and OUT/tables.md shows them. A stage that fails is a row with its error,
the traceback is in OUT/errors.txt, and the next stage runs. No stage begins when the time is over.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import gpu_pipeline
import gpu_steps
import torch

Row = dict[str, object]
SECONDS = 540.0
RESERVE = 25.0  # seconds that the pipeline leaves for its own end, such as its report


class Job(NamedTuple):
    """What all stages have in common.

    Attributes:
        device: cuda, or cpu for the dry form.
        out: the folder that is written.
        data: the folder with the Parquet files of CIFAR-10; None for the digits of scikit-learn.
        ends: the time (of time.monotonic) at which everything must be over.
    """

    device: str
    out: Path
    data: Path | None
    ends: float

    @property
    def dry(self) -> bool:
        """Whether this is the tiny form on the CPU."""
        return self.device == "cpu"

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.ends - time.monotonic()


def environment(job: Job) -> Iterator[Row]:
    """Tell the GPU, the libraries, and how fast plain products and copies are."""
    yield {"what": "torch, CUDA, cuDNN", "value": _libraries()}
    yield {"what": "device", "value": _name(job.device)}
    yield from gpu_steps.rates(job.device, size=256 if job.dry else 8192)


def captured(job: Job) -> Iterator[Row]:
    """Compare the step as a CUDA graph with one kernel after the other, at the paper's widths."""
    yield from gpu_steps.captured_against_eager(_place(job), _turns(job))


def waits(job: Job) -> Iterator[Row]:
    """Count the launches, copies and waits of the host per captured step."""
    yield from gpu_steps.host_calls(_place(job), 3 if job.dry else 20)


def memory(job: Job) -> Iterator[Row]:
    """Compare the peak memory of a captured step with the estimate that bounds children."""
    yield from gpu_steps.peak_memory(_place(job))


def determinism(job: Job) -> Iterator[Row]:
    """Compare two runs bit by bit, with and without `deterministic`, and their speed."""
    yield from gpu_steps.repeated(_place(job), 4 if job.dry else 50)


def one_round(job: Job) -> Iterator[Row]:
    """Tell the seconds of a round's steps from those of its capture, children and evaluation."""
    yield from gpu_steps.one_round(_place(job), 8 if job.dry else 200)


def pipeline(job: Job) -> Iterator[Row]:
    """Run config/cifar10_h100.yaml, shortened to what is left, and test its network."""
    seconds = job.left - RESERVE
    yield from gpu_pipeline.shortened(job.device, job.out / "pipeline", job.data, seconds)


STAGES: dict[str, Callable[[Job], Iterator[Row]]] = {
    "environment": environment,
    "captured": captured,
    "waits": waits,
    "memory": memory,
    "determinism": determinism,
    "round": one_round,
    "pipeline": pipeline,
}


def _place(job: Job) -> gpu_steps.Place:
    """Return the sizes: those of the paper on a GPU, and tiny ones in the dry form."""
    return gpu_steps.Place("cpu", 2, 8) if job.dry else gpu_steps.Place("cuda", 64, 1)


def _turns(job: Job) -> tuple[int, int]:
    """Return how often the variants run in turn, and the steps of each turn."""
    return (2, 2) if job.dry else (5, 20)


def _libraries() -> str:
    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else "none"
    return f"{torch.__version__}, {torch.version.cuda}, {cudnn}"


def _name(device: str) -> str:
    """Return the name of the GPU with its memory, capability and driver."""
    if device == "cpu":
        return f"CPU, {torch.backends.cpu.get_cpu_capability()}"
    facts = torch.cuda.get_device_properties(0)
    command = ["nvidia-smi", "--query-gpu=driver_version,clocks.max.sm", "--format=csv,noheader"]
    try:
        driver = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        driver = "unknown"
    capability = f"{facts.major}.{facts.minor}"
    return f"{facts.name}, {facts.total_memory / 1e9:.0f} GB, {capability}, driver {driver}"


def run(job: Job, names: list[str]) -> int:
    """Run stages until all are done or the time is over.

    Returns:
        The number of stages that failed or did not begin.
    """
    rows: list[Row] = []
    missed = 0
    for name in names:
        began = time.monotonic()
        try:
            if job.left < RESERVE:
                raise TimeoutError("the time was over before this stage")
            for row in STAGES[name](job):
                _write(job.out, rows, {"stage": name, **row})
        except Exception as error:  # one stage must not cost the others
            missed += 1
            with (job.out / "errors.txt").open("a") as file:
                file.write(f"{name}\n{traceback.format_exc()}\n")
            text = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            _write(job.out, rows, {"stage": name, "error": text})
        seconds = round(time.monotonic() - began, 1)
        _write(job.out, rows, {"stage": name, "what": "seconds of this stage", "value": seconds})
    return missed


def _write(out: Path, rows: list[Row], row: Row) -> None:
    """Print a row, add it to rows.jsonl, and write tables.md again."""
    rows.append(row)
    print(json.dumps(row), flush=True)
    with (out / "rows.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    (out / "tables.md").write_text(_tables(rows))


def _tables(rows: list[Row]) -> str:
    """Show the rows as Markdown: one table for each stage and set of columns."""
    lines: list[str] = []
    heads: list[str] = []
    stage = None
    for row in rows:
        own = [name for name in row if name != "stage"]
        if row["stage"] != stage:
            lines += ["", f"## {row['stage']}"]
        if row["stage"] != stage or own != heads:
            lines += ["", f"| {' | '.join(own)} |", "| --- " * len(own) + "|"]
        stage, heads = row["stage"], own
        lines.append(f"| {' | '.join(_cell(row[name]) for name in own)} |")
    return "\n".join(lines).lstrip() + "\n"


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--data", type=Path, help="a folder with train*.parquet and test*.parquet")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="the time for everything")
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--dry", action="store_true", help="on the CPU, with tiny networks")
    given = parser.parse_args()
    if not given.dry and not torch.cuda.is_available():
        parser.error("torch finds no CUDA GPU here; --dry runs the same stages on the CPU")
    # cuBLAS reads this once, when the GPU is first used; the stage `determinism` needs it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    given.out.mkdir(parents=True, exist_ok=True)
    device, ends = "cpu" if given.dry else "cuda", time.monotonic() + given.seconds
    return run(Job(device, given.out.resolve(), given.data, ends), given.stages)


if __name__ == "__main__":
    sys.exit(main())
