"""Whether a round picks the best child: all siblings trained on, and judged on images of their own.

With paired batches no network depends on the particles, so that one trial, a round that goes its
whole length, serves every stop rule: each is played on the recorded losses, and its winner compared
with the child that is best in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nasflow.network.network import Network
from nasflow.particles.flow import Matrix, Vector
from nasflow.randomness import generator
from nasflow.search.particle_round import stopped
from nasflow.search.round import Progress, Setting
from nasflow.studies import simulation
from nasflow.training.batches import Batches, Split
from nasflow.training.optim import Step
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Siblings

FINAL = 1e-7
NEAR = 0.01  # nats


class Trial(NamedTuple):
    """losses (steps, m), tau (steps,): as the round saw them. judged (seeds, m): nats after the
    extra steps, inf for a sibling that diverged. morphisms: of nodes 1 .. m - 1."""

    losses: Matrix
    tau: Vector
    judged: Matrix
    morphisms: list[str]


class Verdict(NamedTuple):
    """Of the winners of several trials, means: `near` is the share less than NEAR nats behind the
    best child, `rank` counts from 1, `regret` is nats behind the best child, `gain` nats ahead of
    g_r. `behind` (trials,): the regret of what goes on, g_r where no child won."""

    outcome: simulation.Outcome
    near: float
    rank: float
    regret: float
    gain: float
    behind: Vector


def trial(
    parent: Network,
    k: int,
    *,
    train: Split,
    validation: Split,
    judge: Split,
    search: dict[str, Any],
    augment: dict[str, Any],
    number: int,
    extra: int,
    tau: float,
    seeds: int,
    workers: int,
    progress: Progress,
) -> Trial:
    """A round of max_steps steps in which no particle moves, then `extra` steps of all siblings on
    paired batches, tau -> 0 by a cosine, for each of `seeds` orders of the images."""
    still = search | {"warmup_steps": search["max_steps"]}
    setting = Setting("nasgd", still, augment, train, validation, number, 1, workers)
    with stopped(parent, k, setting, progress) as stop:
        networks = [stop.live.network(i) for i in range(len(stop.live))]
    judged = [
        train_on(
            networks,
            stop.step,
            Batches(train, search["batch_size"], "trained on", (number, seed), **augment),
            judge,
            extra=extra,
            tau=tau,
            workers=workers,
        )
        for seed in range(seeds)
    ]
    return Trial(
        np.array([step.losses for step in stop.history]),
        np.array([step.tau for step in stop.history]),
        np.array(judged),
        ["+".join(child.morphisms) for child in stop.children],
    )


def train_on(
    networks: Sequence[Network],
    step: Step,
    batches: Batches,
    judge: Split,
    *,
    extra: int,
    tau: float,
    workers: int,
) -> Vector:
    """Losses of all networks on `judge` after `extra` steps on the same batches, (m,)."""
    with Siblings(networks, step, workers=workers) as live:
        for j in range(extra):
            live.step([batches(j)], None, cosine(j, extra, tau, FINAL))
        losses = np.array([loss for loss, _ in live.evaluate(judge)])
    return np.where(np.isfinite(losses), losses, np.inf)


def best(trial: Trial) -> int:
    """The child with the lowest mean loss in the end."""
    return 1 + int(np.argmin(trial.judged.mean(0)[1:]))


def verdict(trials: Sequence[Trial], algorithm: str, search: dict[str, Any]) -> Verdict:
    """The stop rule of these options, played on every trial."""
    ends, chosen, behind = [], [], []
    for number, trial in enumerate(trials):
        rng = generator("trial particles", number)
        winner, steps = simulation.play(rng, trial.losses, trial.tau, algorithm, search)
        ends.append((winner, winner == best(trial), steps))
        final = trial.judged.mean(0)
        behind.append(float(final[winner or 0] - final[1:].min()))
        if winner is not None:
            chosen.append(_standing(final, winner))
    means = np.mean(chosen, axis=0) if chosen else [float("nan")] * 4
    near, rank, regret, gain = (float(mean) for mean in means)
    return Verdict(simulation.outcome(ends), near, rank, regret, gain, np.array(behind))


def chance(trials: Sequence[Trial]) -> tuple[float, float, float, float, float]:
    """(right, near, rank, regret, gain) of a child drawn uniformly, diverged ones left out."""
    found = []
    for trial in trials:
        final = trial.judged.mean(0)
        nodes = [i for i in range(1, len(final)) if np.isfinite(final[i])]
        standing = np.array([_standing(final, i) for i in nodes]).mean(0)
        found.append((1.0 / (len(final) - 1), *standing))
    right, near, rank, regret, gain = (float(mean) for mean in np.mean(found, axis=0))
    return right, near, rank, regret, gain


def agreement(trials: Sequence[Trial]) -> float:
    """How often the best child by one seed is the best by the mean of the others: a rule that
    foresees one continuation exactly is right no more often. All seeds share the judging images, so
    that the truth is less sure than this."""
    hits = []
    for trial in trials:
        children = trial.judged[:, 1:]
        for seed in range(len(children)):
            others = np.delete(children, seed, axis=0).mean(0)
            hits.append(np.argmin(children[seed]) == np.argmin(others))
    return float(np.mean(hits))


def _standing(final: Vector, node: int) -> tuple[bool, int, float, float]:
    """(near the best, rank among the children, nats behind the best, nats ahead of g_r)."""
    children = final[1:]
    regret = float(final[node] - children.min())
    rank = 1 + int((children < final[node]).sum())
    return regret < NEAR, rank, regret, float(final[0] - final[node])
