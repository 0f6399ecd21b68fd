"""The one training loop: what it draws, what it yields, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from cases import network
from pretended_gpu import Machine

from nasflow.training import optim
from nasflow.training.batches import Batches, Split
from nasflow.training.cuda_graph import Captured, Reading
from nasflow.training.local_siblings import LocalSiblings
from nasflow.training.loop import Step, training_loop
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import Memory, Snapshot
from nasflow.training.turns import Turns

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


def batches(purpose: str = "train", device: str = "cpu") -> Batches:
    rng = np.random.default_rng(3)
    pictures = torch.from_numpy(rng.integers(0, 255, (40, 8, 8, 2)).astype(np.uint8))
    half = torch.full((2,), 0.5)
    split = Split(pictures, torch.arange(40) % 5, half, half).to(device)
    return Batches(split, 10, purpose, (0,))


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


class InTurns(Counting):
    """A course that keeps the state of the turns, too."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self.turns = turns

    def remember(self) -> Memory:
        return super().remember()._replace(arrays=self.turns.state())

    def recall(self, memory: Memory) -> None:
        self.losses = list(memory.facts["losses"])
        self.turns.restore(memory.arrays)


def in_turns(
    count: int, average: int, keeper: Drawer | None = None
) -> tuple[InTurns, list[dict[str, torch.Tensor]]]:
    """Train two siblings, the first of which costs three times as much as the second."""
    turns = Turns(2, np.array([3.0, 1.0]))
    course = InTurns(turns)
    with Siblings([network(0, 1), network(1, 1)], UPDATE, average=average) as live:
        for step in training_loop(
            live,
            [batches()],
            lambda done: 0.05,
            course,
            validation=[batches("validation")],
            keeper=keeper or Drawer(),
            first=7,
            more=lambda done: done < count,
            turns=turns,
        ):
            course.losses += [float(x) for x in (*step.train_loss, *step.validation_loss)]
            assert np.isfinite(course.losses).all()
        return course, [live.state(0), live.state(1)]


@pytest.mark.parametrize("average", [1, 5])
def test_siblings_of_different_costs_go_where_plain_loops_of_their_lengths_go(average: int) -> None:
    course, found = in_turns(4, average)
    assert course.turns.made.tolist() == [4, 12]
    stream = batches()
    for i, steps in enumerate(course.turns.made):
        with Siblings([network(i, 1)], UPDATE, average=average) as live:
            for n in range(steps):
                live.step([stream(7 + n)], None, 0.05)
            alone = live.state(0)
        assert alone.keys() == found[i].keys()
        assert all(torch.equal(found[i][name], t) for name, t in alone.items())


@pytest.mark.parametrize("average", [1, 20])
def test_from_every_turn_the_loop_goes_on_bit_for_bit(average: int) -> None:
    keeper = Drawer()
    whole, end = in_turns(6, average, keeper)
    assert [s.step for s in keeper.kept] == [1, 2, 3, 4, 5]
    for state in keeper.kept:
        course, found = in_turns(6, average, Drawer(state))
        assert course.losses == whole.losses
        for one, two in zip(found, end, strict=True):
            assert all(torch.equal(one[name], t) for name, t in two.items())


def test_memory_that_runs_out_in_any_step_of_a_turn_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second sibling makes three steps in a turn; its fifth one fails."""
    train, steps, told = LocalSiblings.train, [0, 0], []

    def short(self: LocalSiblings, i: int, *rest: Any) -> torch.Tensor:
        steps[i] += 1
        if steps[1] == 5 and i == 1:
            raise MemoryError
        return train(self, i, *rest)

    monkeypatch.setattr(LocalSiblings, "train", short)
    turns = Turns(2, np.array([3.0, 1.0]))
    with Siblings([network(0, 1), network(1, 1)], UPDATE, spare=True) as live:
        for _ in training_loop(
            live, [batches()], lambda done: 0.05, InTurns(turns), turns=turns,
            more=lambda done: done < 3,
        ):  # fmt: skip
            told.append(live.starved.tolist())
            if len(told) == 2:
                break
    assert told == [[False, False], [False, True]]


def on_gpu(
    count: int,
    keeper: Drawer | None = None,
    late: Callable[[int], bool] = lambda done: False,
    captured: bool = True,
) -> tuple[Counting, list[Step], dict[str, np.ndarray]]:
    """Train a network on a pretended GPU, with validation."""
    course, found = Counting(), []
    with Siblings([network(0, 1).to("cuda")], UPDATE, average=3, captured=captured) as live:
        for step in training_loop(
            live, [batches(device="cuda")], lambda done: 0.1 / (1 + done), course,
            validation=[batches("validation", "cuda")], keeper=keeper or Drawer(),
            more=lambda done: done < count, late=late,
        ):  # fmt: skip
            course.losses.append(float(step.train_loss[0]))
            found.append(step)
        return course, found, {name: t.numpy() for name, t in live.state(0).items()}


def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note in which order batches are drawn, steps are launched and losses are waited for."""
    events: list[str] = []

    def noted(kind: type, name: str, word: str) -> None:
        real = getattr(kind, name)

        def call(self: Any, *rest: Any) -> Any:
            events.append(word)
            return real(self, *rest)

        monkeypatch.setattr(kind, name, call)

    noted(Batches, "__call__", "draw")
    noted(Captured, "launch", "launch")
    noted(Reading, "wait", "wait")
    return events


def test_a_gpu_computes_while_the_next_batches_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    with Machine():
        eager = on_gpu(4, captured=False)[1]
        events = told(monkeypatch)
        _, found, _ = on_gpu(4)
    assert events == ["draw", "draw", *["launch", "draw", "draw", "wait"] * 4]
    for one, two in zip(found, eager, strict=True):
        assert one[:3] == two[:3]
        np.testing.assert_allclose(one[3:], two[3:], rtol=1e-4)


def test_from_every_state_of_a_graph_the_loop_goes_on_bit_for_bit() -> None:
    with Machine():
        keeper = Drawer()
        whole, _, end = on_gpu(4, keeper)
        assert [state.step for state in keeper.kept] == [1, 2, 3]
        for state in keeper.kept[1:]:
            course, steps, found = on_gpu(4, Drawer(state))
            assert [step.number for step in steps] == list(range(state.step + 1, 5))
            assert course.losses == whole.losses
            assert all(np.array_equal(found[name], t) for name, t in end.items())


def test_late_steps_are_seen_after_the_next_launch_and_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Machine():
        keeper, (whole, steps, end) = Drawer(), on_gpu(6)
        events = told(monkeypatch)
        course, found, state = on_gpu(6, keeper, late=lambda done: done in (1, 2, 4))
    assert [step.number for step in found] == [1, 2, 3, 4, 5, 6]
    assert [e[0] for e in events if e != "draw"] == list("llwlwwllwwlw")
    assert course.losses == whole.losses
    np.testing.assert_array_equal([s[3:] for s in found], [s[3:] for s in steps])
    assert all(np.array_equal(state[name], t) for name, t in end.items())
    assert [kept.step for kept in keeper.kept] == [3, 5], "no state is kept that was not seen"
    for kept in keeper.kept:
        assert kept.facts["losses"] == whole.losses[: kept.step]
