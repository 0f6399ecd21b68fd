"""The one training loop: what it draws, what it yields, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from cases import network

from nasflow.training import optim
from nasflow.training.batches import Batches, Split
from nasflow.training.loop import Step, training_loop
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import Memory, Snapshot

UPDATE = optim.heavy_ball(friction=1.0, weight_decay=0.0)


class Counting:
    """A course that remembers the losses of all steps."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def remember(self) -> Memory:
        return Memory({"losses": list(self.losses)}, {"last": np.array(self.losses[-1:])})

    def recall(self, memory: Memory) -> None:
        self.losses = list(memory.facts["losses"])
        assert memory.arrays["last"].tolist() == self.losses[-1:]


class Drawer:
    """A keeper that keeps every state."""

    def __init__(self, found: Snapshot | None = None) -> None:
        self.found, self.kept = found, []  # type: tuple[Snapshot | None, list[Snapshot]]

    def before(self, siblings: Sequence[str], below: float) -> Snapshot | None:
        return self.found

    def keep(self, step: int, make: Callable[[], Snapshot]) -> None:
        self.kept.append(make())
        assert self.kept[-1].step == step


def batches(purpose: str = "train") -> Batches:
    rng = np.random.default_rng(3)
    pictures = torch.from_numpy(rng.integers(0, 255, (40, 8, 8, 2)).astype(np.uint8))
    half = torch.full((2,), 0.5)
    return Batches(Split(pictures, torch.arange(40) % 5, half, half), 10, purpose, (0,))


def run(
    steps: int, course: Counting, keeper: Drawer, *, leave: int | None = None, first: int = 0
) -> tuple[list[Step], dict[str, torch.Tensor]]:
    found = []
    with Siblings([network(0, 1)], UPDATE) as live:
        for step in training_loop(
            live,
            [batches()],
            lambda done: 0.1 / (1 + done),
            course,
            keeper=keeper,
            first=first,
            longest=steps,
            more=lambda done: done < steps,
        ):
            course.losses.append(float(step.train_loss[0]))
            found.append(step)
            if step.number == leave:
                break
        return found, live.state(0)


def test_a_step_says_its_number_its_global_step_and_its_step_size() -> None:
    steps, _ = run(5, Counting(), Drawer(), first=100)
    assert [step.number for step in steps] == [1, 2, 3, 4, 5]
    assert [step.k for step in steps] == [100, 101, 102, 103, 104]
    assert [step.tau for step in steps] == [0.1 / (1 + done) for done in range(5)]
    assert all(np.isnan(step.validation_loss).all() for step in steps)


def test_every_state_but_the_last_is_kept_with_what_the_user_recorded() -> None:
    course, keeper = Counting(), Drawer()
    run(5, course, keeper)
    assert [s.step for s in keeper.kept] == [1, 2, 3, 4]
    for state in keeper.kept:
        assert state.facts["losses"] == course.losses[: state.step]


def test_a_user_that_leaves_the_loop_keeps_no_more() -> None:
    keeper = Drawer()
    steps, _ = run(5, Counting(), keeper, leave=3)
    assert len(steps) == 3
    assert [s.step for s in keeper.kept] == [1, 2]


def test_from_every_state_the_loop_goes_on_bit_for_bit() -> None:
    whole, keeper = Counting(), Drawer()
    _, end = run(6, whole, keeper)
    assert len(keeper.kept) == 5
    for state in keeper.kept:
        course = Counting()
        steps, found = run(6, course, Drawer(state))
        assert [step.number for step in steps] == list(range(state.step + 1, 7))
        assert course.losses == whole.losses
        assert all(torch.equal(found[name], t) for name, t in end.items())


def test_no_step_is_made_where_none_is_wanted() -> None:
    steps, _ = run(0, Counting(), Drawer())
    assert not steps
