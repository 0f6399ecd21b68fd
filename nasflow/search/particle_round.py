"""One round of NASGD or NASAGD: siblings train side by side while particles flow between them.

Algorithm 1 of the paper, step 3, with the adaptations of its appendix D. Knows no files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from nasflow.network.network import Network
from nasflow.particles.average import Average
from nasflow.particles.flow import Vector
from nasflow.particles.particles import Particles
from nasflow.randomness import generator
from nasflow.search.children import output_changes, propose, starts
from nasflow.search.dropouts import Deaths
from nasflow.search.history import Step, architecture_rows, pack, particle_rows, unpack
from nasflow.search.neighbourhood import Child, edges
from nasflow.search.progress_note import news
from nasflow.search.round import Progress, Round, Setting
from nasflow.training import optim
from nasflow.training.batches import Batches, Split
from nasflow.training.schedule import sgdr
from nasflow.training.sibling import Batch
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import FORGETFUL, Keeper, Snapshot, flat, group


class Stop(NamedTuple):
    """The siblings at the moment a round ends, g_r first, live; `winner` is None where no child
    leads, `step` is how they are trained; `deaths` are those that are out."""

    live: Siblings
    children: list[Child]
    history: list[Step]
    winner: int | None
    reason: str
    step: optim.Step
    deaths: Deaths


def run_round(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """One round from global step k, on the device of the splits; a function of its arguments
    (but for limits.seconds). Where no child is legal it ends at once, `exhausted`.

    A child that diverges is out; the others do not notice. Where g_r itself does, the child with
    the lowest loss goes on at once, `parent_diverged`; where all do, the parent does as it came,
    `diverged`."""
    with stopped(parent, k, setting, progress, keeper) as stop:
        winner = stop.winner or 0
        network = parent if stop.reason == "diverged" else stop.live.network(winner)
        workers, ranks = setting.workers, setting.ranks
        precision = setting.search["precision"]
        with Siblings(
            [network], stop.step, ranks=ranks, workers=workers, precision=precision
        ) as judged:
            loss, accuracy = judged.evaluate(setting.validation)[0]
    changes = output_changes(parent, stop.children, setting.validation.chunk(0, 64)[0])
    return Round(
        network,
        winner,
        stop.reason,
        len(stop.history),
        len(stop.history) * len(stop.live),
        k + len(stop.history),
        particle_rows(stop.history),
        architecture_rows(parent, stop.children, changes, stop.history, winner, stop.deaths),
        loss,
        accuracy,
    )


@contextmanager
def stopped(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Iterator[Stop]:
    """The same round, but all its siblings, for as long as the context lasts."""
    search = setting.search
    children = propose(parent, k, setting)
    networks = starts(parent, children, setting)
    keys = ("friction", "momentum", "weight_decay")
    step = optim.make(search["optimizer"], **{key: search[key] for key in keys})
    average = search["weight_average"]
    workers, ranks = setting.workers, setting.ranks
    with Siblings(
        networks,
        step,
        ranks=ranks,
        workers=workers,
        average=average,
        precision=search["precision"],
        spare=search["on_oom"] == "drop",
    ) as live:
        deaths = Deaths(len(networks))
        if children:
            particles = Particles(setting.algorithm, edges(children, search), search)
            sizes = np.array([n.architecture.parameters for n in networks])
            price = search["size_weight"] * np.log2(sizes / sizes[0])
            names = ["parent", *("+".join(child.morphisms) for child in children)]
            history, winner, reason = _flow(
                live, names, particles, deaths, price, k, setting, progress, keeper
            )
        else:
            history, winner, reason = [], None, "exhausted"
        yield Stop(live, children, history, winner, reason, step, deaths)


def _flow(
    live: Siblings,
    names: Sequence[str],
    particles: Particles,
    deaths: Deaths,
    price: Vector,
    k: int,
    setting: Setting,
    progress: Progress,
    keeper: Keeper,
) -> tuple[list[Step], int | None, str]:
    """Steps until a child has twice the particles of g_r, or the round or the budget ends."""
    search, limits = setting.search, setting.limits
    m, began = len(live), time.monotonic()
    X = _streams("train", setting.train, search["batch_size"], setting, m, setting.augment)
    Y = _streams("validation", setting.validation, search["validation_batch_size"], setting, m, {})
    cycle = search["epochs_neigh"] * X[0].steps_per_epoch
    average = Average(m, search["window"], search["burn_in"])
    history: list[Step] = []
    kinetic = search["second_order"]["kinetic"] and particles.second_order
    left = min(limits.steps, limits.network_steps / m)
    longest = int(min(search["max_steps"], max(left, 1)))
    if before := keeper.before(live.fingerprints, longest):
        live.restore(before.siblings, before.step)
        average.restore(group(before.arrays, "average"))
        particles.restore(group(before.arrays, "particles"))
        deaths.restore(group(before.arrays, "deaths"))
        live.rest(deaths.dead)
        history = unpack(before.arrays)
        k += before.step

    def snapshot() -> Snapshot:
        arrays = flat(
            average=average.state(), particles=particles.state(), deaths=deaths.state()
        ) | pack(history)
        return Snapshot(len(history), {}, arrays, [live.state(i) for i in range(m)])

    while True:
        tau = sgdr(k, cycle, search["lambda_start"], search["lambda_final"])
        train_loss, losses = live.step(_batches(X, k), _batches(Y, k), tau)  # steps 1 and 2
        _note(deaths, len(history) + 1, live, train_loss, losses)
        if deaths.dead.all():
            return history, None, "diverged"
        losses = deaths.judged(losses)
        average.update(losses)
        V, error = deaths.judged(average.V), np.where(deaths.dead, 0.0, average.standard_error)
        train_loss = np.where(deaths.dead, np.nan, train_loss)
        v = live.kinetic_energies() if kinetic else 0.0
        info = particles.step(
            generator("particles", setting.seed, setting.number, k),
            V + price + np.where(deaths.dead, 0.0, v),
            error,
            tau,
            still=len(history) < search["warmup_steps"] or bool(deaths.dead[0]),
            dead=deaths.dead,
        )
        history.append(Step(k, tau, losses, V, error, train_loss, info))
        k += 1
        progress(len(history), longest, news(names, info.counts, V, tau))
        winner, reason = particles.winner, ""
        if winner is not None:
            reason = "recentred"
        elif len(history) >= search["max_steps"]:
            reason = "max_steps"
        elif len(history) >= left or setting.ranks.agree(_spent(began, limits.seconds))[0]:
            reason = "budget"
        if reason or deaths.dead[0]:
            deaths.note(len(history), "weights", ~live.finite())
            if deaths.dead.all():
                return history, None, "diverged"
            if deaths.dead[0]:
                return history, deaths.heir(V + price), "parent_diverged"
            if winner is None or not deaths.dead[winner]:
                return history, winner, reason
            live.rest(deaths.dead)  # the round goes on without its winner
        keeper.keep(len(history), snapshot)


def _spent(began: float, seconds: float) -> bool:
    return time.monotonic() - began >= seconds


def _streams(
    purpose: str, split: Split, size: int, setting: Setting, m: int, augment: dict[str, Any]
) -> list[Batches]:
    """One sequence of batches for all siblings (paired) or one each (independent)."""
    if setting.search["validation"] == "paired":
        return [Batches(split, size, purpose, (setting.seed,), **augment)]
    return [Batches(split, size, purpose, (setting.seed, i), **augment) for i in range(m)]


def _batches(streams: list[Batches], k: int) -> list[Batch]:
    return [stream(k) for stream in streams]


def _note(deaths: Deaths, step: int, live: Siblings, train_loss: Vector, losses: Vector) -> None:
    deaths.note(step, "memory", live.starved)
    deaths.note(step, "training loss", ~np.isfinite(train_loss))
    deaths.note(step, "validation loss", ~np.isfinite(losses))
    live.rest(deaths.dead)
