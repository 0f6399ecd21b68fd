"""One round of NASGD: siblings train side by side while particles flow between them.

Algorithm 1 of the paper, step 3, with the adaptations of its appendix D.1. Knows no files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from nasflow import flow, optim, scaling
from nasflow.average import Average
from nasflow.batches import Batches, Split
from nasflow.flow import Counts, Vector
from nasflow.neighbourhood import Child, sample
from nasflow.network import Network, forward
from nasflow.randomness import generator
from nasflow.schedule import sgdr
from nasflow.siblings import Batch, Siblings

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
    weight: float
    counts: Counts
    V: Vector
    standard_error: Vector
    train_loss: Vector
    info: flow.Info


def run_round(
    parent: Network,
    k: int,
    *,
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
    rng = generator("morphism", seed, number)
    children = sample(
        parent,
        search["n_neigh"],
        morphisms=search["morphisms"],
        constraints=search["constraints"],
        rng=rng,
    )
    changes = output_changes(parent, children, validation.chunk(0, 64)[0])
    networks = [parent, *(child.network for child in children)]
    step = optim.make(
        search["optimizer"], **{n: search[n] for n in ("friction", "momentum", "weight_decay")}
    )
    with Siblings(networks, step, workers=workers) as live:
        history, winner, reason = _flow(
            live, k, train, validation, search, augment, seed, number, limits, progress
        )
        network = live.network(winner or 0)
        loss, accuracy = _judge(network, validation, step, workers)
    last = history[-1]
    return Round(
        network,
        winner or 0,
        reason,
        len(history),
        last.k + 1,
        _particle_rows(history),
        _architecture_rows(parent, children, changes, last, winner or 0),
        loss,
        accuracy,
    )


def _flow(
    live: Siblings,
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
    K = flow.graph(search["graph"], m)
    scale = _scale(search, m)
    average = Average(m, search["window"])
    dead = np.zeros(m, dtype=bool)
    counts = flow.init(search["particles"], m - 1)
    history: list[Step] = []
    longest = int(min(search["max_steps"], max(limits.steps, 1)))
    while True:
        tau = sgdr(k, cycle, search["lambda_start"], search["lambda_final"])
        train_loss, losses = live.step(_batches(X, k), _batches(Y, k), tau)  # steps 1 and 2
        average.update(_alive(losses, train_loss, dead))
        V, error = average.V, average.standard_error
        f = counts / counts.sum()
        w, kappa_tau = scale(V, error, tau)
        E = flow.energy(f, V, kind=search["potential"], beta=search["beta"], weight=w)
        moved = np.zeros(m, dtype=np.int64)
        if len(history) >= search["warmup_steps"]:
            Q = flow.first_order_rates(E, K)  # (D.1, step 2)
            counts, moved = flow.move(generator("particles", seed, number, k), counts, Q, kappa_tau)
        history.append(Step(k, tau, w, counts, V, error, train_loss, flow.Info(f, E, moved)))
        k += 1
        leader = int(np.argmax(counts))
        progress(
            len(history),
            longest,
            f"leader {leader} with {counts[leader] / counts.sum():.0%} loss {V[leader]:.3f}",
        )
        winner = flow.winner(counts)
        if winner is not None:
            return history, winner, "recentred"
        if len(history) >= search["max_steps"]:
            return history, None, "max_steps"
        if len(history) >= limits.steps or time.monotonic() - began >= limits.seconds:
            return history, None, "budget"


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


def _scale(search: dict[str, Any], m: int) -> scaling.Scale:
    if search["scaling"] == "paper":
        return scaling.paper(kappa=search["kappa"], entropy_weight=search["entropy_weight"])
    return scaling.auto(
        m=m,
        particles=search["particles"],
        kind=search["potential"],
        beta=search["beta"],
        confidence=search["confidence"],
        min_lead=search["min_lead"],
        mobility=search["mobility"],
    )


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
            "count": int(s.counts[node]),
            "share": float(s.counts[node] / s.counts.sum()),
            "validation_loss": float(s.V[node]),
            "train_loss": float(s.train_loss[node]),
            "energy": float(s.info.energy[node]),
            "tau": s.tau,
            "moved": int(s.info.moved[node]),
            "weight": s.weight,
            "standard_error": float(s.standard_error[node]),
        }
        for number, s in enumerate(history, 1)
        for node in range(len(s.counts))
    ]


def _architecture_rows(
    parent: Network, children: list[Child], changes: list[float], last: Step, winner: int
) -> list[dict[str, Any]]:
    rows = []
    family = [(parent, "", ()), *children]
    for node, (network, morphism, site) in enumerate(family):
        g = network.architecture
        rows.append(
            {
                "node": node,
                "parent": parent.architecture.fingerprint,
                "morphism": morphism,
                "site": ",".join(map(str, site)),
                "fingerprint": g.fingerprint,
                "parameters": g.parameters,
                "flops": g.flops,
                "output_change": changes[node - 1] if node else 0.0,
                "count": int(last.counts[node]),
                "share": float(last.counts[node] / last.counts.sum()),
                "validation_loss": float(last.V[node]),
                "winner": node == winner,
            }
        )
    return rows
