"""The one training loop of nasflow, as a generator.

Pretraining, the final training, a rung of a baseline, a round of NASGD and an algorithm of your own
all use it. They bring their step sizes, their stop rule and what they record; the loop draws the
batches, takes the steps, and keeps the state from which an interrupted stage goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from nasflow.particles.flow import Vector
from nasflow.training.sibling import Batch, Stream
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import FORGETFUL, Keeper, Memory, Snapshot
from nasflow.training.turns import Turns

Drawn = tuple[list[Batch], list[Batch] | None]  # training batches, validation batches
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
    train: Sequence[Stream],
    tau: Callable[[int], float],
    course: Course,
    *,
    validation: Sequence[Stream] = (),
    keeper: Keeper = FORGETFUL,
    first: int = 0,
    longest: float = float("inf"),
    more: Callable[[int], bool] = lambda done: True,
    turns: Turns | None = None,
    late: Callable[[int], bool] = lambda done: False,
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
        late: whether the caller may see step `done` after the next one was launched on a GPU, which
            then never waits for the host. No state is kept after such a step.

    Yields:
        One `Step` for each step that this attempt makes.
    """
    done = _recalled(live, course, keeper.before(live.fingerprints, longest), turns)
    steps = _Steps(live, train, validation, first, turns)
    while more(done):
        done += 1
        yield from steps.make(done, tau(done - 1), late)
        if not steps.unread and more(done):
            keeper.keep(done, partial(_snapshot, done, course, live))
    yield from steps.read(all_but=0)


class _Steps:
    """Makes the steps of a loop, and knows those whose losses are not read yet."""

    def __init__(
        self,
        live: Siblings,
        train: Sequence[Stream],
        validation: Sequence[Stream],
        first: int,
        turns: Turns | None,
    ) -> None:
        self._live, self._train, self._validation = live, train, validation
        self._first, self._turns = first, turns
        self._ready: Drawn | None = None  # the batches of the next step
        self.unread: deque[tuple[int, int, float]] = deque()

    def make(self, number: int, tau: float, late: Callable[[int], bool]) -> Iterator[Step]:
        """Make one step; yield it, or that before it where it may be late."""
        k = self._first + number - 1
        if self._turns is not None or not self._live.captured:
            losses = self._live.step(*self._due(k, tau), tau)
            yield Step(number, k, tau, *losses)
            return
        self._live.launch(*(self._ready or self._draw(k)), tau)
        self.unread.append((number, k, tau))
        # The host draws the next batches while the GPU computes, and only then waits for it.
        self._ready = self._draw(k + 1)
        yield from self.read(all_but=int(late(number)))

    def read(self, *, all_but: int) -> Iterator[Step]:
        """Yield the steps that were launched, except for the latest ones."""
        while len(self.unread) > all_but:
            yield Step(*self.unread.popleft(), *self._live.losses())

    def _draw(self, k: int) -> Drawn:
        unseen = _batches(self._validation, k) if self._validation else None
        return _batches(self._train, k), unseen

    def _due(self, k: int, tau: float) -> Drawn:
        """Draw the batches of a step. For a turn, first take all of its steps but the last."""
        if self._turns is None:
            return self._draw(k)
        unseen = _batches(self._validation, k) if self._validation else None
        return _turn(self._live, self._train, tau, self._first, self._turns), unseen


def _recalled(live: Siblings, course: Course, kept: Snapshot | None, turns: Turns | None) -> int:
    """Put siblings and course back to where an earlier attempt was; return its steps."""
    if kept is None:
        return 0
    course.recall(Memory(kept.facts, kept.arrays))
    live.restore(kept.siblings, kept.step if turns is None else turns.made)
    return kept.step


def _batches(streams: Sequence[Stream], k: int) -> list[Batch]:
    return [stream(k) for stream in streams]


def _turn(
    live: Siblings, train: Sequence[Stream], tau: float, first: int, turns: Turns
) -> list[Batch]:
    """Take all steps of a turn but the last; return the batches of the last one."""
    due = turns.next()
    for number in range(int(due.max()) - 1):
        only = due > number + 1
        live.step(turns.batches(train, first, due, number, only), None, tau, only=only)
    return turns.batches(train, first, due, int(due.max()) - 1, due > 0)


def _snapshot(done: int, course: Course, live: Siblings) -> Snapshot:
    return Snapshot(done, *course.remember(), [live.state(i) for i in range(len(live))])
