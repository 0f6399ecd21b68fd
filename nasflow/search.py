"""One round of NASGD or NASAGD: siblings train side by side while particles flow between them.

Algorithm 1 of the paper, step 3, with the adaptations of its appendix D.1. Knows no files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from nasflow import optim
from nasflow.average import Average
from nasflow.batches import Batches, Split
from nasflow.flow import Vector
from nasflow.neighbourhood import Child, edges, sample
from nasflow.network import Network, forward
from nasflow.particles import Info, Particles
from nasflow.proposal import steepest
from nasflow.randomness import generator
from nasflow.schedule import sgdr
from nasflow.siblings import Batch, Siblings

PROPOSED = 4
PROPOSAL_BATCH = 256
Progress = Callable[[int, int, str], None]


class Limits(NamedTuple):
    """What may end a round besides the stop rule: steps and seconds left of the search's budget."""

    steps: float = float("inf")
    seconds: float = float("inf")


class Round(NamedTuple):
    """The network that goes on, why the round ended, and its records."""

    network: Network
    winner: int
    reason: str
    steps: int
    k: int
    particles: list[dict[str, Any]]
    architectures: list[dict[str, Any]]
    validation_loss: float
    validation_accuracy: float


class Step(NamedTuple):
    """What the log keeps of one step; vectors are (m,)."""

    k: int
    tau: float
    losses: Vector
    V: Vector
    standard_error: Vector
    train_loss: Vector
    info: Info


class Stop(NamedTuple):
    """The siblings at the moment a round ends, g_r first, live; `winner` is None where no child
    leads, `step` is how they are trained."""

    live: Siblings
    children: list[Child]
    changes: list[float]
    history: list[Step]
    winner: int | None
    reason: str
    step: optim.Step


def run_round(
    parent: Network,
    k: int,
    *,
    algorithm: str,
    train: Split,
    validation: Split,
    search: dict[str, Any],
    augment: dict[str, Any],
    seed: int,
    number: int,
    limits: Limits,
    workers: int,
    progress: Progress,
) -> Round:
    """One round from global step k, on the device of the splits; a function of its arguments
    (but for limits.seconds). ValueError when no child is legal or every sibling diverges."""
    with stopped(
        parent,
        k,
        algorithm=algorithm,
        train=train,
        validation=validation,
        search=search,
        augment=augment,
        seed=seed,
        number=number,
        limits=limits,
        workers=workers,
        progress=progress,
    ) as stop:
        winner = stop.winner or 0
        network = stop.live.network(winner)
        loss, accuracy = _judge(network, validation, stop.step, workers)
    last = stop.history[-1]
    return Round(
        network,
        winner,
        stop.reason,
        len(stop.history),
        last.k + 1,
        _particle_rows(stop.history),
        _architecture_rows(parent, stop.children, stop.changes, last, winner),
        loss,
        accuracy,
    )


@contextmanager
def stopped(
    parent: Network,
    k: int,
    *,
    algorithm: str,
    train: Split,
    validation: Split,
    search: dict[str, Any],
    augment: dict[str, Any],
    seed: int,
    number: int,
    limits: Limits,
    workers: int,
    progress: Progress,
) -> Iterator[Stop]:
    """The same round, but all its siblings, for as long as the context lasts."""
    children = _children(parent, k, train, search, augment, seed, number)
    changes = output_changes(parent, children, validation.chunk(0, 64)[0])
    networks = [parent, *(child.network for child in children)]
    step = optim.make(
        search["optimizer"], **{n: search[n] for n in ("friction", "momentum", "weight_decay")}
    )
    particles = Particles(algorithm, edges(children, search), search)
    with Siblings(networks, step, workers=workers) as live:
        history, winner, reason = _flow(
            live, particles, k, train, validation, search, augment, seed, number, limits, progress
        )
        yield Stop(live, children, changes, history, winner, reason, step)


def _flow(
    live: Siblings,
    particles: Particles,
    k: int,
    train: Split,
    validation: Split,
    search: dict[str, Any],
    augment: dict[str, Any],
    seed: int,
    number: int,
    limits: Limits,
    progress: Progress,
) -> tuple[list[Step], int | None, str]:
    """Steps until a child has twice the particles of g_r, or the round or the budget ends."""
    m, began = len(live), time.monotonic()
    X = _streams("train", train, search["batch_size"], search, seed, m, augment)
    Y = _streams("validation", validation, search["validation_batch_size"], search, seed, m, {})
    cycle = search["epochs_neigh"] * X[0].steps_per_epoch
    average = Average(m, search["window"])
    dead = np.zeros(m, dtype=bool)
    history: list[Step] = []
    kinetic = search["second_order"]["kinetic"] and particles.second_order
    longest = int(min(search["max_steps"], max(limits.steps, 1)))
    while True:
        tau = sgdr(k, cycle, search["lambda_start"], search["lambda_final"])
        train_loss, losses = live.step(_batches(X, k), _batches(Y, k), tau)  # steps 1 and 2
        losses = _alive(losses, train_loss, dead)
        average.update(losses)
        V = average.V + (live.kinetic_energies() if kinetic else 0.0)
        info = particles.step(
            generator("particles", seed, number, k),
            V,
            average.standard_error,
            tau,
            still=len(history) < search["warmup_steps"],
        )
        history.append(Step(k, tau, losses, average.V, average.standard_error, train_loss, info))
        k += 1
        leader = particles.leader
        progress(
            len(history),
            longest,
            f"leader {leader} with {info.counts[leader] / info.counts.sum():.0%} "
            f"loss {average.V[leader]:.3f}",
        )
        if particles.winner is not None:
            return history, particles.winner, "recentred"
        if len(history) >= search["max_steps"]:
            return history, None, "max_steps"
        if len(history) >= limits.steps or time.monotonic() - began >= limits.seconds:
            return history, None, "budget"


def _children(
    parent: Network,
    k: int,
    train: Split,
    search: dict[str, Any],
    augment: dict[str, Any],
    seed: int,
    number: int,
) -> list[Child]:
    """G_r without g_r. `proposal: gradient` draws PROPOSED times as many and keeps the steepest."""
    chosen = search["proposal"] == "gradient"
    candidates = sample(
        parent,
        search["n_neigh"] * (PROPOSED if chosen else 1),
        n_morphisms=search["n_morphisms"],
        morphisms=search["morphisms"],
        constraints=search["constraints"],
        rng=generator("morphism", seed, number),
    )
    if not chosen:
        return candidates
    images, labels = Batches(
        train, min(PROPOSAL_BATCH, len(train)), "proposal", (seed, number), **augment
    )(k)
    return steepest(candidates, search["n_neigh"], images, labels)


def output_changes(parent: Network, children: list[Child], images: torch.Tensor) -> list[float]:
    """max |child - parent| / std(parent) of the logits in eval mode, a child each."""
    with torch.no_grad():
        g, x, buffers, _ = parent
        before = forward(g, x, buffers, images, training=False)
        return [
            float(
                (forward(n.architecture, n.x, n.buffers, images, training=False) - before)
                .abs()
                .max()
                / before.std()
            )
            for n in (child.network for child in children)
        ]


def _streams(
    purpose: str,
    split: Split,
    size: int,
    search: dict[str, Any],
    seed: int,
    m: int,
    augment: dict[str, Any],
) -> list[Batches]:
    """One sequence of batches for all siblings (paired) or one each (independent)."""
    if search["validation"] == "paired":
        return [Batches(split, size, purpose, (seed,), **augment)]
    return [Batches(split, size, purpose, (seed, i), **augment) for i in range(m)]


def _batches(streams: list[Batches], k: int) -> list[Batch]:
    return [stream(k) for stream in streams]


def _alive(losses: Vector, train_loss: Vector, dead: np.ndarray) -> Vector:
    """Losses with a diverged sibling's replaced by 10 nats above the worst: its particles leave.
    `dead` remembers; ValueError when none is left."""
    dead |= ~(np.isfinite(losses) & np.isfinite(train_loss))
    if dead.all():
        raise ValueError("search.lambda_start: every sibling diverged; lower it")
    return np.where(dead, losses[~dead].max() + 10.0, losses)


def _judge(
    network: Network, validation: Split, step: optim.Step, workers: int
) -> tuple[float, float]:
    with Siblings([network], step, workers=workers) as winner:
        return winner.evaluate(validation)[0]


def _particle_rows(history: list[Step]) -> list[dict[str, Any]]:
    return [
        {
            "step": number,
            "k": s.k,
            "node": node,
            "count": int(s.info.counts[node]),
            "share": float(s.info.counts[node] / s.info.counts.sum()),
            "validation_loss": float(s.V[node]),
            "train_loss": float(s.train_loss[node]),
            "energy": float(s.info.energy[node]),
            "tau": s.tau,
            "moved": int(s.info.moved[node]),
            "weight": s.info.weight,
            "standard_error": float(s.standard_error[node]),
            "phi": float(s.info.phi[node]),
            "restarted": s.info.restarted,
        }
        for number, s in enumerate(history, 1)
        for node in range(len(s.V))
    ]


def _architecture_rows(
    parent: Network, children: list[Child], changes: list[float], last: Step, winner: int
) -> list[dict[str, Any]]:
    rows = []
    family = [Child(parent, (), ()), *children]
    for node, (network, morphisms, sites) in enumerate(family):
        g = network.architecture
        rows.append(
            {
                "node": node,
                "parent": parent.architecture.fingerprint,
                "morphism": "+".join(morphisms),
                "site": "+".join(",".join(map(str, site)) for site in sites),
                "fingerprint": g.fingerprint,
                "parameters": g.parameters,
                "flops": g.flops,
                "output_change": changes[node - 1] if node else 0.0,
                "count": int(last.info.counts[node]),
                "share": float(last.info.counts[node] / last.info.counts.sum()),
                "validation_loss": float(last.V[node]),
                "winner": node == winner,
            }
        )
    return rows
