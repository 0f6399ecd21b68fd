"""How fast the engine is: each subcommand prints one table.

    python benchmarks/engine.py step        # siblings against a plain loop and the GEMM rate
    python benchmarks/engine.py particles   # one step of the particles, by their number
    python benchmarks/engine.py memory      # peak of a step against weights and activations
    python benchmarks/engine.py round       # a round of the pipeline: steps, process, Snakemake
    python benchmarks/engine.py scale       # by children, image size and ranks (docs/scale.md)

Contestants are processes of their own (contestants.py) that wait for one another and run in turn.
Times are medians over turns; ratios are medians of the ratios within each turn. The numbers mean
something only on two cores that do nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from contestants import (
    SIBLINGS,
    TRAINING,
    VALIDATION,
    Contestant,
    engine,
    family,
    gemm_rate,
    place,
)

from nasflow.config.kinds import Algorithm
from nasflow.config.search import Search
from nasflow.network.network import Network
from nasflow.particles.particles import rules, start
from nasflow.particles.particles import step as particle_step
from nasflow.randomness import generator
from nasflow.training.ranks import joined


def step(arguments: argparse.Namespace) -> None:
    """One step of all siblings, at widths 8, 16 and 64."""
    print("| width | contestant | ms per step | times the plain loop | GFLOP/s | of GEMM's |")
    print("| --- | --- | --- | --- | --- | --- |")
    for width in arguments.widths:
        work = sum(n.architecture.flops for n in family(width)) * (3 * TRAINING + VALIDATION)
        rivals = {
            "plain loop, 2 threads": Contestant("loop", width, 2),
            "siblings, 1 worker": Contestant("engine", width, 1),
            "siblings, 2 workers": Contestant("engine", width, 2),
            "siblings, 2 ranks": Contestant("engine", width, 1, ranks=2),
        }
        if torch.cpu.get_capabilities().get(
            "avx512_bf16"
        ):  # on other CPUs it is slower than float32
            half = Contestant("engine", width, 2, precision="bfloat16")
            rivals["siblings, 2 workers, bfloat16"] = half
        times: dict[str, list[float]] = {name: [] for name in rivals}
        bound = []
        for _ in range(arguments.turns):
            for name, rival in rivals.items():
                times[name].append(rival.seconds(arguments.steps))
            bound.append(gemm_rate(2))
        for rival in rivals.values():
            rival.close()
        reference = np.array(times["plain loop, 2 threads"])
        for name, values in times.items():
            seconds, gain = np.median(values), np.median(reference / np.array(values))
            rate = work / float(seconds)
            print(
                f"| {width} | {name} | {seconds * 1e3:.1f} | {gain:.2f} | {rate / 1e9:.0f} "
                f"| {rate / np.median(bound):.0%} |"
            )


def particles(arguments: argparse.Namespace) -> None:
    """One step of all particles on nine nodes, with the automatic scaling."""
    print("| N | NASGD, us | NASAGD, us |\n| --- | --- | --- |")
    for exponent in range(2, 10):
        row = []
        for algorithm in (Algorithm.NASGD, Algorithm.NASAGD):
            row.append(f"{_particle_step(algorithm, SIBLINGS, 10**exponent):.0f}")
        print(f"| 1e{exponent} | {' | '.join(row)} |")


def memory(arguments: argparse.Namespace) -> None:
    """Peak memory of training steps, against the memory of the numbers that they need.

    The memory of imports and data is not counted. What is needed is the sum of weights, velocities,
    gradients and the activations of those networks that are trained at the same time.
    """
    print("| width | workers | peak MB | weights, velocities, activations MB | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for width in arguments.widths:
        for workers in (1, 2):
            command = [sys.executable, __file__, "peak", str(width), str(workers)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peak, needed = json.loads(done.stdout)
            print(f"| {width} | {workers} | {peak:.0f} | {needed:.0f} | {peak / needed:.2f} |")


def peak(arguments: argparse.Namespace) -> None:
    """Measure one row of `memory` in a process of its own, and print it as JSON, in MB."""
    with engine(family(4)[:1], 1) as run:
        run(1)  # loads the code, kernels and threads that every step needs
    networks = family(arguments.width)
    held = sum(2 * 4 * n.architecture.parameters for n in networks)  # x and v exist already
    with engine(networks, arguments.workers) as run:
        before = _memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        run(20)
        grown = _memory("VmHWM") - before + held
    gradients = sum(4 * n.architecture.parameters for n in networks)
    maps = sorted(_activations(n) for n in networks)[-arguments.workers :]
    print(json.dumps([grown / 1e6, (held + gradients + 4 * sum(maps)) / 1e6]))


def _memory(name: str) -> int:
    """An entry of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def _activations(network: Network) -> int:
    """How many numbers a training step keeps for its backward pass.

    These are the output of every convolution before and after BatchNorm and ReLU (after them only a
    quarter if a pool follows directly), and the output of every other node.
    """
    g = network.architecture
    total = 0
    for node in g.nodes[1:]:
        size = int(np.prod(g.shapes[node.id]))
        total += size + (size // (4 if node.id in g.pooled else 1) if node.op == "conv" else 0)
    return total * TRAINING


def one_round(arguments: argparse.Namespace) -> None:
    """A round on digits: the seconds of its steps, of the rest of the stage, and around the stage.

    A second round with half as many steps tells the time of the steps from that of the rest.
    """
    (half, _), (stage, whole) = (_round(steps) for steps in (arguments.steps // 2, arguments.steps))
    training = 2.0 * (stage - half)
    print("| part | seconds | fraction |\n| --- | --- | --- |")
    for name, value in {
        f"{arguments.steps} steps": training,
        "children, evaluation, files": stage - training,
        "process and Snakemake": whole - stage,
        "all": whole,
    }.items():
        print(f"| {name} | {value:.1f} | {value / whole:.0%} |")


def _round(steps: int) -> tuple[float, float]:
    """Seconds of the stage, as it measures them, and of the command that ran it."""
    root, search = Path(__file__).parents[1], "results/overhead/nasgd/seed_0"
    quiet = {"max_steps": steps, "warmup_steps": steps, "constraints": {"max_flops": None}}
    config = {
        "experiment": "overhead",
        "base": {"widths": [32, 64, 128]},
        "pretrain": {"epochs": 1},
        "search": quiet,
        "budget": {"rounds": 1},
    }
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "overhead.json"
        own.write_text(json.dumps(config))
        command = [
            *(str(Path(sys.executable).with_name("snakemake")), "--cores", "2"),
            *("--snakefile", str(root / "Snakefile"), "--directory", folder),
            *("--profile", str(root / "profiles/default"), "--configfile", str(own), "--"),
        ]
        before, target = f"{search}/pretrain/status.json", f"{search}/search/round_1/status.json"
        subprocess.run([*command, before], check=True, capture_output=True)
        began = time.perf_counter()
        subprocess.run([*command, target], check=True, capture_output=True)
        whole = time.perf_counter() - began
        return float(json.loads((Path(folder) / target).read_text())["seconds"]), whole


def scale(arguments: argparse.Namespace) -> None:
    """The parts that docs/scale.md adds up: a step, its children, its particles, its exchange."""
    print("| siblings | image | ms per step | GFLOP/s | ms per child | us per particle step |")
    print("| --- | --- | --- | --- | --- | --- |")
    family(4)
    for siblings, size in ((3, 32), (9, 32), (17, 32), (33, 32), (9, 16), (9, 64)):
        began = time.perf_counter()
        networks = family(16, siblings, size)
        made = (time.perf_counter() - began) / (len(networks) - 1)
        with engine(networks, 2) as run:
            run(12)
            seconds = min(_seconds(run, 4) for _ in range(5)) / 4
        work = sum(n.architecture.flops for n in networks) * (3 * TRAINING + VALIDATION)
        print(
            f"| {len(networks)} | {size} | {seconds * 1e3:.0f} | {work / seconds / 1e9:.0f} "
            f"| {made * 1e3:.0f} | {_particle_step(Algorithm.NASGD, siblings, 1000):.0f} |"
        )
    many = _particle_step(Algorithm.NASGD, 1001, 10**6) / 1e3
    print(f"\nparticles of 1001 nodes: {many:.1f} ms for each step")
    for ranks in (2, 4):
        for siblings in (9, 1001):
            command = [sys.executable, __file__, "exchange", str(siblings)]
            meeting = Path(tempfile.mkdtemp(prefix="nasflow-meeting-"), "meeting")
            places = [place(rank, ranks, meeting) for rank in range(ranks)]
            processes = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | where)
                for where in places
            ]
            answers = [process.communicate()[0] for process in processes]
            print(f"exchange of {siblings} siblings over {ranks} ranks: {float(answers[0]):.0f} us")


def exchange(arguments: argparse.Namespace) -> None:
    """Measure how long ranks take to exchange their losses: the median, in microseconds."""
    with joined() as ranks:
        mine = {i: (1.0,) * 4 for i in range(ranks.rank, arguments.siblings, ranks.size)}
        times = [
            _seconds(lambda _: ranks.merge(mine, arguments.siblings, 4), 1) for _ in range(300)
        ]
    print(np.median(times) * 1e6)


def _seconds(run: Callable[[int], object], steps: int) -> float:
    began = time.perf_counter()
    run(steps)
    return time.perf_counter() - began


def _particle_step(algorithm: Algorithm, nodes: int, number: int) -> float:
    """The microseconds of one step of all particles, with the automatic scaling."""
    K = np.ones((nodes, nodes)) - np.eye(nodes)
    fixed = rules(algorithm, K, Search(particles=number))
    rng, V, error = generator("benchmark"), np.linspace(1.0, 1.1, nodes), np.full(nodes, 0.01)
    state, times = start(fixed), []
    for _ in range(max(20, 18_000 // nodes)):
        began = time.perf_counter()
        state, _info = particle_step(rng, state, V, error, 0.01, fixed)
        times.append(time.perf_counter() - began)
    return float(np.median(times) * 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for name, run in {
        "step": step,
        "particles": particles,
        "memory": memory,
        "round": one_round,
        "scale": scale,
        "exchange": exchange,
        "peak": peak,
    }.items():
        command = commands.add_parser(name, help=(run.__doc__ or "").splitlines()[0])
        command.set_defaults(run=run)
        if name in ("step", "memory"):
            command.add_argument("--widths", type=int, nargs="+", default=[8, 16, 64])
        if name == "step":
            command.add_argument("--turns", type=int, default=7)
            command.add_argument("--steps", type=int, default=4, help="steps in one turn")
        if name == "round":
            command.add_argument("--steps", type=int, default=1000)
        if name == "exchange":
            command.add_argument("siblings", type=int)
        if name == "peak":
            command.add_argument("width", type=int)
            command.add_argument("workers", type=int)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
