"""The contestants of the speed benchmark: a plain loop, the sibling engine, and a matrix product.

The plain loop trains the same networks one after the other by torch's own operations. The matrix
product of torch shows how fast the machine can compute at all. Each contestant is a process of its
own, because the engine changes allocator settings of its process, which the plain loop must not
have.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F

from nasflow.architecture.templates import chain
from nasflow.config.kinds import Precision
from nasflow.config.search import Search
from nasflow.network.network import Network, forward, initialise
from nasflow.randomness import generator
from nasflow.search.neighbourhood import sample
from nasflow.training import optim
from nasflow.training.ranks import ALONE, MEETING, Ranks, joined
from nasflow.training.sibling import Batch
from nasflow.training.siblings import Siblings

SIBLINGS, TRAINING, VALIDATION = 9, 64, 32  # the paper's n_neigh + 1, S_X, S_Y
UPDATE = optim.heavy_ball(friction=1.0, weight_decay=0.0)
POSITIVE = ("deepen", "widen", "connect_concat", "connect_add")
Run = Callable[[int], None]


def family(width: int, siblings: int = SIBLINGS, size: int = 32) -> list[Network]:
    """Make a network with three convolutions, and children of it.

    Args:
        width: the filters of the first convolution; the others have twice and four times as many.
        siblings: the number of networks, the first one included; there may be fewer children where
            not enough different ones exist.
        size: the side of the images.
    """
    search = Search()
    base = initialise(
        chain((width, 2 * width, 4 * width), 3, (3, size, size), 10), generator("init", 0)
    )
    children = sample(
        base,
        siblings - 1,
        n_morphisms=1 if siblings <= SIBLINGS else 2,  # a small network has few children by one
        morphisms={name: float(name in POSITIVE) for name in search.morphisms},
        constraints=search.constraints,
        rng=generator("morphism", 0),
    )
    return [base, *(child.network for child in children)]


def batch(count: int, size: int = 32) -> Batch:
    """Draw random images, (count, 3, size, size) in channels-last format, and labels (count,)."""
    draw = torch.Generator().manual_seed(count)
    images = torch.randn(count, size, size, 3, generator=draw).permute(0, 3, 1, 2)
    return images, torch.randint(0, 10, (count,), generator=draw)


def plain_loop(networks: list[Network], threads: int) -> Run:
    """Train one network after the other by torch's own operations, in NCHW, on torch's threads.

    Returns:
        A function that does a number of steps.
    """
    torch.set_num_threads(threads)
    X, Y = ((x.contiguous(), y) for x, y in (batch(TRAINING), batch(VALIDATION)))
    for n in networks:
        for t in n.x.values():
            t.requires_grad_()

    def run(steps: int) -> None:
        for _ in range(steps):
            for g, x, buffers, v in networks:
                logits = forward(g, x, buffers, X[0], training=True, fused=False)
                gradient = torch.autograd.grad(F.cross_entropy(logits, X[1]), list(x.values()))
                with torch.no_grad():
                    UPDATE(list(x.values()), list(v.values()), list(gradient), 0.01)
                    logits = forward(g, x, buffers, Y[0], training=False, fused=False)
                    F.cross_entropy(logits, Y[1]).item()

    return run


@contextmanager
def engine(
    networks: list[Network],
    workers: int,
    ranks: Ranks = ALONE,
    precision: Precision = Precision.FLOAT32,
) -> Iterator[Run]:
    """Train the networks as siblings, spread over ranks (processes) and workers (threads).

    Yields:
        A function that does a number of steps.
    """
    size = networks[0].architecture.size[0]
    X, Y = [batch(TRAINING, size)], [batch(VALIDATION, size)]
    with Siblings(networks, UPDATE, ranks=ranks, workers=workers, precision=precision) as live:

        def run(steps: int) -> None:
            for _ in range(steps):
                live.step(X, Y, 0.01)

        yield run


class Contestant:
    """One or more processes (ranks) that do their steps together."""

    def __init__(
        self,
        kind: str,
        width: int,
        workers: int,
        *,
        precision: str = "float32",
        ranks: int = 1,
    ) -> None:
        command = [sys.executable, __file__, kind, str(width), str(workers), precision]
        meeting = Path(tempfile.mkdtemp(prefix="nasflow-meeting-"), "meeting")
        places = [{} if ranks == 1 else place(rank, ranks, meeting) for rank in range(ranks)]
        self._processes = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | where,
            )
            for where in places
        ]
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def seconds(self, steps: int) -> float:
        """Measure the seconds for each step, of the slowest rank."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
        times = [float(p.stdout.readline()) for p in self._processes if p.stdout is not None]
        return max(times) / steps

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.communicate()


def place(rank: int, size: int, meeting: Path) -> dict[str, str]:
    """Return the environment variables of one of `size` ranks on this machine."""
    return {
        **{"RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size)},
        MEETING: str(meeting),
    }


def gemm_rate(threads: int, size: int = 2048) -> float:
    """Measure torch's product of two square float32 matrices: FLOPs per second, best of ten."""
    torch.set_num_threads(threads)
    a, b = (torch.randn(size, size) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return 2.0 * size**3 / best


def main() -> None:
    """Read numbers of steps from the standard input; answer each with the seconds that it took."""
    parser = argparse.ArgumentParser(description="One contestant.")
    parser.add_argument("kind", choices=("loop", "engine"))
    parser.add_argument("width", type=int)
    parser.add_argument("workers", type=int)
    parser.add_argument(
        "precision", type=Precision, choices=list(Precision), help="number format of the engine"
    )
    arguments = parser.parse_args()
    with joined() as ranks, _contestant(arguments, ranks) as run:
        run(12)
        print("ready", flush=True)
        for line in sys.stdin:
            began = time.perf_counter()
            run(int(line))
            print(time.perf_counter() - began, flush=True)


def _contestant(arguments: argparse.Namespace, ranks: Ranks) -> AbstractContextManager[Run]:
    networks = family(arguments.width)
    if arguments.kind == "loop":
        return nullcontext(plain_loop(networks, arguments.workers))
    return engine(networks, arguments.workers, ranks, arguments.precision)


if __name__ == "__main__":
    main()
