"""The one training loop of nasflow, as a generator.

Pretraining, the final training, a rung of a baseline, a round of NASGD and an algorithm of your own
all use it. They bring their step sizes, their stop rule and what they record; the loop draws the
batches, takes the steps, and keeps the state from which an interrupted stage goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from nasflow.particles.flow import Vector
from nasflow.training.batches import Batches
from nasflow.training.sibling import Batch
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import FORGETFUL, Keeper, Memory, Snapshot
from nasflow.training.turns import Turns

Progress = Callable[[int, int, str], None]  # steps done, steps in all, a few words


class Step(NamedTuple):
    """One training step of all siblings.

    Attributes:
        number: how many steps the loop has made, this one included.
        k: the global step, counted from 0 over the whole search; batches are drawn by it.
        tau: the step size.
        train_loss: mean loss of each sibling on its training batch before the step, nats (m,).
        validation_loss: mean loss on its validation batch after the step, nats (m,); NaN where
            there is no validation.
    """

    number: int
    k: int
    tau: float
    train_loss: Vector
    validation_loss: Vector


class Course(Protocol):
    """What the user of the loop must remember, besides the networks, to go on after a crash."""

    def remember(self) -> Memory:
        """Return everything that later steps depend on."""

    def recall(self, memory: Memory) -> None:
        """Continue from what `remember` returned."""


def training_loop(
    live: Siblings,
    train: Sequence[Batches],
    tau: Callable[[int], float],
    course: Course,
    *,
    validation: Sequence[Batches] = (),
    keeper: Keeper = FORGETFUL,
    first: int = 0,
    longest: float = float("inf"),
    more: Callable[[int], bool] = lambda done: True,
    turns: Turns | None = None,
) -> Iterator[Step]:
    """Train siblings step by step; the caller looks at each step and may leave the loop.

    The state is offered to the keeper after the caller has dealt with a step and asks for the next
    one, so that what the caller recorded is part of it, and the last step is not kept.

    Args:
        live: the siblings, which are trained in place.
        train: one sequence of batches for all siblings, or one for each.
        tau: gives the step size; called with the number of steps already made.
        course: what the caller records; its state is kept beside that of the siblings.
        validation: as `train`; empty for steps without validation.
        keeper: knows what an interrupted attempt left, and decides when to keep more.
        first: the global step k of the loop's first step.
        longest: a kept state of this many steps or more is not used.
        more: whether another step is to be made; called with the number of steps already made.
        turns: how many steps each sibling makes at a time; None for one. The course keeps their
            state. A `Step` is a turn then.

    Yields:
        One `Step` for each step that this attempt makes.
    """
    done = 0
    if kept := keeper.before(live.fingerprints, longest):
        course.recall(Memory(kept.facts, kept.arrays))
        live.restore(kept.siblings, kept.step if turns is None else turns.made)
        done = kept.step
    while more(done):
        k, step_size = first + done, tau(done)
        unseen = _draw(validation, k) if validation else None
        drawn = _draw(train, k) if turns is None else _turn(live, train, step_size, first, turns)
        train_loss, validation_loss = live.step(drawn, unseen, step_size)
        done += 1
        yield Step(done, k, step_size, train_loss, validation_loss)
        if more(done):
            keeper.keep(done, partial(_snapshot, done, course, live))


def _draw(streams: Sequence[Batches], k: int) -> list[Batch]:
    return [stream(k) for stream in streams]


def _turn(
    live: Siblings, train: Sequence[Batches], tau: float, first: int, turns: Turns
) -> list[Batch]:
    """Take all steps of a turn but the last; return the batches of the last one."""
    due = turns.next()
    for number in range(int(due.max()) - 1):
        only = due > number + 1
        live.step(turns.batches(train, first, due, number, only), None, tau, only=only)
    return turns.batches(train, first, due, int(due.max()) - 1, due > 0)


def _snapshot(done: int, course: Course, live: Siblings) -> Snapshot:
    return Snapshot(done, *course.remember(), [live.state(i) for i in range(len(live))])
