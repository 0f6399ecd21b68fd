"""The parts of benchmarks/gpu.py that measure steps of siblings on one device.

Each function yields rows. Variants that are compared run in turn, and a ratio is the median of the
ratios within the turns. On a CPU a step has no graph, so that both variants are the same there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

import numpy as np
import torch
from contestants import family
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from nasflow.config.kinds import Precision
from nasflow.network.network import Network
from nasflow.stages.in_memory import run_search
from nasflow.training import optim
from nasflow.training.memory import MB, megabytes
from nasflow.training.optim import Update
from nasflow.training.process import computing, same_bits
from nasflow.training.sibling import Batch
from nasflow.training.siblings import Siblings

Row = dict[str, object]
Manner = tuple[str, Precision, tuple[int, int]]  # update rule, precision, images per step
PAPER, LARGE = (64, 32), (128, 64)  # images per step: training, validation
HEAVY, MUON = "heavy_ball", "muon"
RULES: dict[str, Update] = {
    HEAVY: optim.heavy_ball(friction=1.0, weight_decay=0.0),
    MUON: optim.muon(momentum=0.6, weight_decay=0.0),
}
MANNERS: tuple[Manner, ...] = (
    (HEAVY, Precision.FLOAT32, PAPER),
    (HEAVY, Precision.TF32, PAPER),
    (MUON, Precision.BFLOAT16, PAPER),
    (MUON, Precision.BFLOAT16, LARGE),
)
TAU = 0.01
# What CUDA's runtime is asked for, as the profiler names it, by what it means for the host.
CALLS = {
    "launches of graphs": ("cudaGraphLaunch",),
    "launches of kernels": ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel"),
    "copies": ("cudaMemcpyAsync", "cudaMemcpy"),
    "waits": ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize"),
}


class Place(NamedTuple):
    """Where steps are measured, and how large they are.

    Attributes:
        device: cuda or cpu.
        width: filters of the first convolution; the next ones have two and four times as many.
        cut: the numbers of images per step are divided by this; 1 on a GPU.
    """

    device: str
    width: int
    cut: int

    def manners(self, manners: Sequence[Manner]) -> list[Manner]:
        """Return the ways to train with the numbers of images for this place."""
        return [(rule, kind, (a // self.cut, b // self.cut)) for rule, kind, (a, b) in manners]


def rates(device: str, size: int) -> Iterator[Row]:
    """Measure products of two square matrices, and a copy in the memory of the device.

    Args:
        device: cuda or cpu.
        size: the side of the matrices.
    """
    for precision in Precision:
        kind = torch.bfloat16 if precision == Precision.BFLOAT16 else torch.float32
        a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
        with computing(precision):
            seconds = _fastest(device, lambda a=a, b=b: a @ b)
        yield {"what": f"product, {precision.value}, TFLOP/s", "value": 2e-12 * size**3 / seconds}
    a = torch.empty(size * size, device=device)
    seconds = _fastest(device, a.clone)
    yield {"what": "copy, GB read and written per second", "value": 8e-9 * size * size / seconds}


def captured_against_eager(place: Place, turns: tuple[int, int]) -> Iterator[Row]:
    """Time the step of nine siblings as a graph and without, for each update rule and precision.

    Args:
        place: the device and the sizes.
        turns: how often both run in turn, and the steps of each turn.
    """
    device, networks = place.device, _family(place)
    work = sum(n.architecture.flops for n in networks)
    for rule, precision, sizes in place.manners(MANNERS):
        batches, flops = _batches(device, *sizes), work * (3 * sizes[0] + sizes[1])
        times: dict[bool, list[float]] = {True: [], False: []}
        first: dict[bool, tuple[float, np.ndarray]] = {}
        with computing(precision):
            live = {graph: _siblings(networks, rule, precision, graph) for graph in times}
            for graph, siblings in live.items():
                began = time.perf_counter()
                losses = np.stack(siblings.step(*batches, TAU))
                first[graph] = time.perf_counter() - began, losses
                _run(siblings, batches, 5)
            for _ in range(turns[0]):
                for graph, siblings in live.items():
                    times[graph].append(_seconds(device, siblings, batches, turns[1]))
            for siblings in live.values():
                siblings.__exit__()
        apart = np.abs(first[True][1] / first[False][1] - 1.0).max()
        yield {
            "rule": rule,
            "precision": precision.value,
            "images": f"{sizes[0]} + {sizes[1]}",
            "eager, ms": 1e3 * float(np.median(times[False])),
            "captured, ms": 1e3 * float(np.median(times[True])),
            "eager / captured": float(np.median(np.divide(times[False], times[True]))),
            "captured, TFLOP/s": 1e-12 * flops / float(np.median(times[True])),
            "first step, s": first[True][0],
            "losses differ by": float(apart),
        }


def host_calls(place: Place, steps: int) -> Iterator[Row]:
    """Count the calls of CUDA's runtime per captured step, and the fraction of time of kernels.

    Args:
        place: the device and the sizes.
        steps: the steps that are profiled.
    """
    device, networks = place.device, _family(place)
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device != "cpu" else [])
    for rule, precision, sizes in place.manners((MANNERS[0], MANNERS[-1])):
        batches = _batches(device, *sizes)
        with _siblings(networks, rule, precision, True) as live:
            _run(live, batches, 5)
            with profile(activities=kinds) as seen:
                wall = _seconds(device, live, batches, steps) * steps
        events = seen.key_averages()
        counts = {
            what: sum(e.count for e in events if e.key in names) / steps
            for what, names in CALLS.items()
        }
        busy = 1e-6 * sum(e.self_device_time_total for e in events) / wall
        row: Row = {"rule": rule, "precision": precision.value, "images": sizes[0]}
        yield row | counts | {"kernel seconds per second": busy}


def peak_memory(place: Place) -> Iterator[Row]:
    """Measure the peak memory of captured steps, and compare it with the estimate.

    Args:
        place: the device and the sizes; on a CPU nothing is measured, and the peak is NaN.
    """
    device, networks = place.device, _family(place)
    for rule, precision, sizes in place.manners((MANNERS[0], MANNERS[-1])):
        if device != "cpu":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        with _siblings(networks, rule, precision, True) as live:
            _run(live, _batches(device, *sizes), 5)
        half = precision == Precision.BFLOAT16
        estimate = sum(megabytes(n.architecture, sizes[0], half=half) for n in networks)
        peak = torch.cuda.max_memory_allocated() / MB if device != "cpu" else float("nan")
        row: Row = {"rule": rule, "precision": precision.value, "images": sizes[0]}
        yield row | {"peak, MB": peak, "estimate, MB": estimate, "ratio": peak / estimate}


def repeated(place: Place, steps: int) -> Iterator[Row]:
    """Train twice from the same networks, and compare all weights bit by bit.

    Args:
        place: the device and the sizes.
        steps: the steps of each run.
    """
    device, networks = place.device, _family(place)
    for rule, precision, sizes in place.manners((MANNERS[0], MANNERS[-1])):
        batches = _batches(device, *sizes)
        for wanted in (False, True):
            ends, times = [], []
            with same_bits() if wanted and device != "cpu" else nullcontext():
                for _ in range(2):
                    with _siblings(networks, rule, precision, True) as live:
                        _run(live, batches, 5)
                        times.append(_seconds(device, live, batches, steps))
                        ends.append([_weights(live, i) for i in range(len(networks))])
            same = all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
            row: Row = {"rule": rule, "precision": precision.value, "deterministic": wanted}
            yield row | {"same bits": same, "ms per step": 1e3 * min(times)}


def one_round(place: Place, steps: int) -> Iterator[Row]:
    """Run a round of `steps` steps and one of half as many, on random images, in this process.

    Args:
        place: the device and the sizes.
        steps: the steps of the longer round.
    """
    draw = np.random.default_rng(0)
    count = 20 * steps  # some images for each class, and less than an epoch on a GPU
    images = draw.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(count) % 10
    seconds = {}
    for length in (steps // 2, steps):
        found = run_search(
            images,
            labels,
            device=place.device,
            base={"widths": [place.width, 2 * place.width, 4 * place.width]},
            pretrain={"epochs": 0},
            search={
                "max_steps": length,
                "warmup_steps": length,
                "constraints": {"max_flops": None},
            },
            budget={"rounds": 1},
            final={"epochs": 0.01},
        )
        seconds[length] = found.lineage[0]["totals"]["seconds"]
    stepping = (seconds[steps] - seconds[steps // 2]) / (steps - steps // 2)
    yield {
        "steps": steps,
        "seconds": seconds[steps],
        "ms per step": 1e3 * stepping,
        "children, capture and evaluation, s": seconds[steps] - steps * stepping,
    }


def _family(place: Place) -> list[Network]:
    return [network.to(place.device) for network in family(place.width)]


def _batches(device: str, train: int, validation: int) -> tuple[list[Batch], list[Batch]]:
    """Make one training batch and one validation batch of random images, channels last."""

    def made(count: int) -> Batch:
        images = torch.randn(count, 32, 32, 3, device=device).permute(0, 3, 1, 2)
        return images, (torch.arange(count) % 10).to(device)

    return [made(train)], [made(validation)]


def _siblings(
    networks: Sequence[Network], rule: str, precision: Precision, graph: bool
) -> Siblings:
    return Siblings(networks, RULES[rule], average=30, precision=precision, captured=graph)


def _run(live: Siblings, batches: tuple[list[Batch], list[Batch]], steps: int) -> None:
    for _ in range(steps):
        live.step(*batches, TAU)


def _seconds(
    device: str, live: Siblings, batches: tuple[list[Batch], list[Batch]], steps: int
) -> float:
    """Measure the seconds of a step, as the mean of several steps."""
    _wait(device)
    began = time.perf_counter()
    _run(live, batches, steps)
    _wait(device)
    return (time.perf_counter() - began) / steps


def _fastest(device: str, work: Callable[[], object]) -> float:
    """Measure the fastest of ten runs, in seconds."""
    best = float("inf")
    for _ in range(10):
        _wait(device)
        began = time.perf_counter()
        work()
        _wait(device)
        best = min(best, time.perf_counter() - began)
    return best


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def _weights(live: Siblings, i: int) -> Tensor:
    """Return all weights of sibling i as one vector, on the CPU."""
    return torch.cat([t.flatten().cpu() for t in live.network(i).x.values()])
