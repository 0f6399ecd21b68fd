"""One round of NASGD or NASAGD: siblings train side by side while particles flow between them.

It is step 3 of Algorithm 1 of the paper, with the adaptations of its appendix D. It opens no files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from nasflow.config.data import Augment
from nasflow.config.kinds import Equal, OnOutOfMemory, Validation
from nasflow.deployment.ram import ram
from nasflow.network.network import Network
from nasflow.particles import particles
from nasflow.particles.flow import Vector
from nasflow.search.children import output_changes, propose, starts, within_bounds
from nasflow.search.dropouts import Dropouts
from nasflow.search.ends import RoundEnd
from nasflow.search.history import Record, architecture_rows, particle_rows
from nasflow.search.neighbourhood import Child, edges
from nasflow.search.round import Round, Setting
from nasflow.search.round_course import RoundCourse
from nasflow.training import optim
from nasflow.training.batches import Batches, Split, varied
from nasflow.training.evaluation import evaluate
from nasflow.training.loop import Progress, training_loop
from nasflow.training.process import one_thread
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import FORGETFUL, Keeper
from nasflow.training.turns import turns_of

UNVARIED = Augment(flip=False, shift=0)  # validation images are not varied


class Stop(NamedTuple):
    """The siblings at the moment at which a round ends, while they are still alive.

    Attributes:
        live: the siblings, the centre first.
        children: the nodes after the centre.
        history: the records of all steps.
        winner: the node that leads, or None.
        reason: why the round ended.
        dropouts: the siblings that are out.
        made: the training steps that each sibling made, int (m,).
    """

    live: Siblings
    children: list[Child]
    history: list[Record]
    winner: int | None
    reason: RoundEnd
    dropouts: Dropouts
    made: np.ndarray


def run_round(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Run one round on the device of the splits.

    It is a function of its arguments, apart from `limits.seconds`. Where no child is possible it
    ends at once (`exhausted`). A child that diverges drops out, and the others train on as before.
    Where the centre itself diverges, the child with the lowest loss goes on at once
    (`parent_diverged`). Where all diverge, the parent goes on as it came (`diverged`).

    Args:
        parent: the centre of the round; it stays as it is.
        k: the global step at which the round begins.
        setting: everything else that makes the round.
        progress: is told after each step what is done.
        keeper: keeps the state from which an interrupted round goes on.
    """
    with one_thread():
        with stopped(parent, k, setting, progress, keeper) as stop:
            winner = stop.winner or 0
            diverged = stop.reason == RoundEnd.DIVERGED
            network = parent if diverged else stop.live.network(winner)
            score = evaluate(
                network,
                setting.validation,
                precision=setting.search.precision,
                workers=setting.workers,
                ranks=setting.ranks,
            )
        changes = output_changes(parent, stop.children, setting.validation.chunk(0, 64)[0])
    steps = len(stop.history)
    return Round(
        network,
        winner,
        stop.reason,
        steps,
        int(stop.made.sum()),
        k + int(stop.made[winner]),
        particle_rows(stop.history),
        architecture_rows(parent, stop.children, changes, stop.history, winner, stop.dropouts),
        *score,
    )


@contextmanager
def stopped(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Iterator[Stop]:
    """Run the round of `run_round`, and keep all its siblings alive while the context lasts.

    The arguments are those of `run_round`.

    Yields:
        The siblings at the end of the round, and what the round recorded.
    """
    setting = within_bounds(parent, setting)
    search = setting.search
    children = propose(parent, k, setting)
    networks = starts(parent, children, setting)
    with Siblings(
        networks,
        optim.make(search),
        ranks=setting.ranks,
        workers=setting.workers,
        average=search.weight_average,
        class_weights=setting.train.weights,
        precision=search.precision,
        captured=search.equal == Equal.STEPS,
        spare=search.on_oom == OnOutOfMemory.DROP,
    ) as live:
        if not children:
            yield Stop(live, children, [], None, RoundEnd.EXHAUSTED, Dropouts(1), np.zeros(1))
            return
        rules = particles.rules(setting.algorithm, edges(children, search), search)
        names = ["parent", *("+".join(child.morphisms) for child in children)]
        turns = turns_of(live, networks, search.equal)
        course = RoundCourse(live, names, rules, _price(networks, setting), setting, turns)
        winner, reason = _flow(live, course, k, setting, progress, keeper)
        yield Stop(live, children, course.history, winner, reason, course.dropouts, course.made)


def _price(networks: Sequence[Network], setting: Setting) -> Vector:
    """Return what each network costs more than the centre, nats (m,).

    Each doubling of its parameters, of the memory for its maps and of its latency costs the weight
    that the configuration gives it."""
    search, table = setting.search, setting.latency
    graphs = [network.architecture for network in networks]
    price = _doublings([g.parameters for g in graphs]) * search.size_weight
    if search.ram_weight:
        price += (
            _doublings([ram(g, search.constraints.precision) for g in graphs]) * search.ram_weight
        )
    if search.latency_weight:
        if table is None:
            raise ValueError("search.latency_weight: the round got no table of latencies")
        price += _doublings([table.milliseconds(g) for g in graphs]) * search.latency_weight
    return price


def _doublings(costs: Sequence[float]) -> Vector:
    """Return how many times each cost is twice that of the first one, (m,)."""
    found: Vector = np.log2(np.array(costs) / costs[0])
    return found


def _flow(
    live: Siblings,
    course: RoundCourse,
    k: int,
    setting: Setting,
    progress: Progress,
    keeper: Keeper,
) -> tuple[int | None, RoundEnd]:
    """Train until a child holds twice the particles of the centre, or the round or budget ends."""
    search, limits, m = setting.search, setting.limits, len(live)
    began = time.monotonic()
    train = _streams("train", setting.train, search.batch_size, setting, m, setting.augment)
    validation = _streams(
        "validation", setting.validation, search.validation_batch_size, setting, m, UNVARIED
    )
    course.begin(k, train[0].steps_per_epoch)
    left = min(limits.steps, limits.network_steps / m)
    longest = int(min(search.max_steps, max(left, 1)))

    def seconds() -> float:
        return (time.monotonic() - began) / max(limits.seconds, 1e-9)

    with setting.ranks.wishing(seconds=seconds):
        for step in training_loop(
            live,
            train,
            course.tau,
            course,
            validation=validation,
            keeper=keeper,
            first=k,
            longest=longest,
            turns=course.turns,
        ):
            spent = max(step.number / left, setting.ranks.agreed("seconds"))
            if not course.record(step, spent):
                break
            progress(step.number, longest, course.note())
            if course.ended():
                break
    return course.winner, course.reason


def _streams(
    purpose: str, split: Split, size: int, setting: Setting, m: int, augment: Augment
) -> list[Batches]:
    """Make one sequence of batches for all siblings (paired), or one for each (independent)."""
    paired = setting.search.validation == Validation.PAIRED
    counters = [(setting.seed,)] if paired else [(setting.seed, i) for i in range(m)]
    return [varied(split, size, purpose, own, augment) for own in counters]
