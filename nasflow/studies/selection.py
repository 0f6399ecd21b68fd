"""Whether a round picks the best child: all its siblings are trained on, and then measured on
images that neither the round nor the training saw.

With paired batches no network depends on the particles. So one trial, which is a round of full
length, serves every stop rule: the rule is played on the recorded losses, and its winner is
compared with the child that is best in the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nasflow.config.data import Augment
from nasflow.config.kinds import Algorithm
from nasflow.config.search import Search
from nasflow.network.network import Network
from nasflow.particles.flow import Matrix, Vector
from nasflow.randomness import generator
from nasflow.search.particle_round import Stop, stopped
from nasflow.search.round import Setting
from nasflow.studies import simulation
from nasflow.training import optim
from nasflow.training.batches import Batches, Split, varied
from nasflow.training.loop import Progress
from nasflow.training.optim import Update
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Siblings

FINAL = 1e-7  # the step size at the end of the extra steps
NEAR = 0.01  # nats behind the best child that still count as near it


class Trial(NamedTuple):
    """A round of full length, and what its siblings reached when they were trained on.

    Attributes:
        losses: validation losses in nats, as the round saw them (steps, m).
        tau: the step sizes of the round (steps,).
        judged: losses in nats after the extra steps (seeds, m), inf for a sibling that diverged.
        morphisms: the morphisms that made the nodes 1 .. m - 1.
    """

    losses: Matrix
    tau: Vector
    judged: Matrix
    morphisms: list[str]


class Verdict(NamedTuple):
    """How good the choices of a stop rule are; all but the first and the last are means of winners.

    Attributes:
        outcome: how often rounds ended, and how often with the best child.
        near: the fraction of the winners less than NEAR nats behind the best child.
        rank: the place of the winner among the children, from 1.
        regret: nats by which the winner is behind the best child.
        gain: nats by which the winner is ahead of g_r.
        behind: for each trial the regret of the network that goes on (trials,); this is g_r where
            no child won.
    """

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
    search: Search,
    augment: Augment,
    number: int,
    extra: int,
    tau: float,
    seeds: int,
    workers: int,
    progress: Progress,
) -> Trial:
    """Run a round of max_steps steps in which no particle moves, and train its siblings on.

    Args:
        parent: the centre g_r.
        k: the number of the global step that the round begins at.
        train: the training images.
        validation: the validation images that the round sees.
        judge: the images that the siblings are measured on in the end.
        search: the options of the section `search`.
        augment: the options of the section `augment`.
        number: the number of the trial.
        extra: the number of extra steps, on paired batches.
        tau: the step size at their start; it falls to about 0 by a cosine.
        seeds: the number of orders of the images; all siblings are trained on in each of them.
        workers: the number of threads.
        progress: takes the progress of the round.
    """
    still = search.model_copy(update={"warmup_steps": search.max_steps})
    setting = Setting(Algorithm.NASGD, still, augment, train, validation, number, 1, workers)
    with stopped(parent, k, setting, progress) as stop:
        networks = [stop.live.network(i) for i in range(len(stop.live))]
    orders = _orders(train, search.batch_size, augment, number, seeds)
    update = optim.make(search)
    judged = [
        train_on(networks, update, order, judge, extra=extra, tau=tau, workers=workers)
        for order in orders
    ]
    return _recorded(stop, judged)


def _orders(
    train: Split, size: int, augment: Augment, number: int, seeds: int
) -> Iterator[Batches]:
    for seed in range(seeds):
        yield varied(train, size, "trained on", (number, seed), augment)


def _recorded(stop: Stop, judged: Sequence[Vector]) -> Trial:
    return Trial(
        np.array([record.losses for record in stop.history]),
        np.array([record.tau for record in stop.history]),
        np.array(judged),
        ["+".join(child.morphisms) for child in stop.children],
    )


def train_on(
    networks: Sequence[Network],
    update: Update,
    batches: Batches,
    judge: Split,
    *,
    extra: int,
    tau: float,
    workers: int,
) -> Vector:
    """Train networks on, all on the same batches, and measure them.

    Args:
        networks: the m networks.
        update: the update rule.
        batches: the training batches.
        judge: the images to measure on.
        extra: the number of steps.
        tau: the step size at the start; it falls to about 0 by a cosine.
        workers: the number of threads.

    Returns:
        The mean losses in nats (m,), inf for a network that diverged.
    """
    with Siblings(networks, update, workers=workers) as live:
        for j in range(extra):
            live.step([batches(j)], None, cosine(j, extra, tau, FINAL))
        losses = np.array([loss for loss, _ in live.evaluate(judge)])
    return np.where(np.isfinite(losses), losses, np.inf)


def best(trial: Trial) -> int:
    """Return the node of the child with the lowest mean loss in the end."""
    return 1 + int(np.argmin(trial.judged.mean(0)[1:]))


def verdict(trials: Sequence[Trial], algorithm: str, search: Search) -> Verdict:
    """Play the stop rule of these options on every trial.

    Args:
        trials: the trials.
        algorithm: `nasgd` or `nasagd`.
        search: the options of the section `search`.
    """
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
    """Return what a uniformly drawn child reaches on average.

    Returns:
        (right, near, rank, regret, gain), as in `Verdict`. `right` counts all children; children
        that diverged are left out of the others.
    """
    found = []
    for trial in trials:
        final = trial.judged.mean(0)
        nodes = [i for i in range(1, len(final)) if np.isfinite(final[i])]
        standing = np.array([_standing(final, i) for i in nodes]).mean(0)
        found.append((1.0 / (len(final) - 1), *standing))
    right, near, rank, regret, gain = (float(mean) for mean in np.mean(found, axis=0))
    return right, near, rank, regret, gain


def agreement(trials: Sequence[Trial]) -> float:
    """Return how often the best child by one seed is also the best by the mean of the others.

    A rule that foresees one continuation exactly is right no more often than this. All seeds are
    measured on the same images, so the true best child is less certain than this number suggests.
    """
    hits = []
    for trial in trials:
        children = trial.judged[:, 1:]
        for seed in range(len(children)):
            others = np.delete(children, seed, axis=0).mean(0)
            hits.append(np.argmin(children[seed]) == np.argmin(others))
    return float(np.mean(hits))


def _standing(final: Vector, node: int) -> tuple[bool, int, float, float]:
    """(near the best, rank among the children, nats behind the best, nats ahead of g_r)"""
    children = final[1:]
    regret = float(final[node] - children.min())
    rank = 1 + int((children < final[node]).sum())
    return regret < NEAR, rank, regret, float(final[0] - final[node])
