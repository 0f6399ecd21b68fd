"""Networks that train side by side on the same batches and are then evaluated on the whole
validation split: a round of NASH, or a rung of successive halving. The module opens no files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasflow.config.kinds import Equal, OnOutOfMemory
from nasflow.network.network import Network, at_rest
from nasflow.search.dropouts import CAUSES, Dropouts
from nasflow.search.history import training_row
from nasflow.search.round import Row, Setting
from nasflow.training import optim
from nasflow.training.batches import Batches, varied
from nasflow.training.evaluation import evaluate
from nasflow.training.loop import Progress, Step, training_loop
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Score, Siblings
from nasflow.training.snapshot import Keeper, Memory, flat, group
from nasflow.training.turns import Turns, turns_of

DIVERGED = Score(float("nan"), 0.0)


class Stretch(NamedTuple):
    """Which steps of a round a rung trains.

    Attributes:
        k: the global step at which it begins.
        before: steps of the round before it.
        steps: its length.
        until: the time at which it must end, in the seconds of `time.monotonic`.
        even: what its networks get alike; other than equal steps only where the step size is kept.
    """

    k: int
    before: int
    steps: int
    until: float
    even: Equal = Equal.STEPS


class Rung(NamedTuple):
    """Networks after a stretch of training.

    Attributes:
        networks: the trained networks, by node.
        scores: their evaluations on the whole validation split; the loss is NaN for a network that
            dropped out.
        rows: rows of particles.parquet, one for each step and node.
        steps: the steps that were made.
        network_steps: the steps of all networks, added up.
        late: whether the seconds of the budget ended the stretch.
        dropped: for each node that dropped out the step of the round and the cause.
    """

    networks: dict[int, Network]
    scores: dict[int, Score]
    rows: list[Row]
    steps: int
    network_steps: int
    late: bool
    dropped: dict[int, tuple[int, str]]


def ranked(scores: Mapping[int, Score]) -> list[int]:
    """Sort nodes by accuracy, the best first; those of equal accuracy by loss.

    A network that diverged comes last."""

    def order(node: int) -> tuple[bool, float, float]:
        loss, accuracy = scores[node]
        return not np.isfinite(loss), -accuracy, loss

    return sorted(sorted(scores), key=order)


def train_rung(
    networks: Mapping[int, Network],
    stretch: Stretch,
    setting: Setting,
    progress: Progress,
    keeper: Keeper,
    *,
    gains: Sequence[Mapping[str, float]] = (),
) -> Rung:
    """Train networks side by side on the same batches; tau falls along one cosine.

    A network that diverges trains no more, and the loss of its score is NaN.

    Args:
        networks: the networks, by node; their velocities are not used.
        stretch: which steps of the round these are.
        setting: everything else that makes the round.
        progress: is told after each step what is done.
        keeper: keeps the state from which an interrupted rung goes on.
        gains: for each network the factors of its gradients, by tensor name; empty for none.
    """
    nodes = list(networks)
    late = setting.ranks.wishing(late=lambda: time.monotonic() >= stretch.until)
    with _siblings(networks, stretch, setting, gains) as live, late:
        turns = turns_of(live, list(networks.values()), stretch.even)
        course = RungCourse(nodes, stretch, setting, live, turns)
        for step in training_loop(
            live,
            [_batches(setting)],
            course.tau,
            course,
            keeper=keeper,
            first=stretch.k,
            longest=stretch.steps,
            more=course.more,
            turns=turns,
        ):
            alive = course.record(step)
            done, most = stretch.before + step.number, stretch.before + stretch.steps
            progress(done, most, f"{len(nodes)} networks, loss {alive:.3f}")
        scores = course.evaluate()
        trained = {node: live.network(i) for i, node in enumerate(nodes)}
    made = course.steps * len(networks) if turns is None else int(turns.made.sum())
    return Rung(trained, scores, course.rows, course.steps, made, course.late, course.dropped())


def _siblings(
    networks: Mapping[int, Network],
    stretch: Stretch,
    setting: Setting,
    gains: Sequence[Mapping[str, float]],
) -> Siblings:
    search = setting.search
    return Siblings(
        [at_rest(network) for network in networks.values()],
        optim.make(search),
        ranks=setting.ranks,
        workers=setting.workers,
        class_weights=setting.train.weights,
        precision=search.precision,
        gains=gains,
        captured=stretch.even == Equal.STEPS,
        spare=search.on_oom == OnOutOfMemory.DROP,
    )


def _batches(setting: Setting) -> Batches:
    size = setting.search.batch_size
    return varied(setting.train, size, "train", (setting.seed,), setting.augment)


class RungCourse:
    """What a rung records.

    Args:
        nodes: the numbers of its networks in the round.
        stretch: which steps of the round it trains.
        setting: everything else that makes the round.
        live: the networks.
        turns: how many steps each network makes at a time; None for one.

    Attributes:
        rows: rows of particles.parquet so far.
        steps: the steps that were made.
        late: whether the seconds of the budget are used up.
    """

    def __init__(
        self,
        nodes: Sequence[int],
        stretch: Stretch,
        setting: Setting,
        live: Siblings,
        turns: Turns | None = None,
    ) -> None:
        self._turns = turns
        self._nodes, self._stretch, self._setting, self._live = nodes, stretch, setting, live
        self._dropouts = Dropouts(len(nodes))
        self.rows: list[Row] = []
        self.steps, self.late = 0, False

    def more(self, done: int) -> bool:
        """Tell whether the rung goes on after `done` steps."""
        return done < self._stretch.steps and not self.late and not self._dropouts.everyone

    def tau(self, done: int) -> float:
        """Return the step size after `done` steps."""
        search = self._setting.search
        if self._setting.portfolio:  # whose networks train on at the step size of the search
            return search.lambda_start
        return cosine(done, self._stretch.steps, search.lambda_start, search.lambda_final)

    def record(self, step: Step) -> float:
        """Take over the losses of a step; return the lowest one of networks that train on, nats."""
        number = self._stretch.before + step.number
        self.steps = step.number
        self._dropouts.note_step(number, self._live, step.train_loss)
        for node, loss in zip(self._nodes, step.train_loss, strict=True):
            self.rows.append(training_row(number, step.k, node, step.tau, float(loss)))
        self.late = bool(self._setting.ranks.agreed("late"))
        return float(step.train_loss.min(initial=np.inf, where=~self._dropouts.out))

    def evaluate(self) -> dict[int, Score]:
        """Evaluate all networks on the validation split; write the losses to the last rows."""
        found = self._live.evaluate(self._setting.validation)
        number, dropouts = self._stretch.before + self.steps, self._dropouts
        losses = np.array([score.loss for score in found])
        dropouts.note(number, "validation loss", ~np.isfinite(losses))
        dropouts.note(number, "weights", ~self._live.finite())
        scores = {
            node: DIVERGED if dropouts.out[i] else found[i] for i, node in enumerate(self._nodes)
        }
        for row, node in zip(self.rows[-len(self._nodes) :], self._nodes, strict=False):
            row["validation_loss"] = scores[node].loss
        return scores

    def dropped(self) -> dict[int, tuple[int, str]]:
        """Return the step of the round and the cause for each node that dropped out."""
        at, of = self._dropouts.at, self._dropouts.of
        return {n: (int(at[i]), CAUSES[of[i]]) for i, n in enumerate(self._nodes) if at[i]}

    def remember(self) -> Memory:
        """Return everything that later steps depend on."""
        turns = self._turns.state() if self._turns else {}
        arrays = flat(dropouts=self._dropouts.state(), turns=turns)
        return Memory({"steps": self.steps, "rows": self.rows}, arrays)

    def recall(self, memory: Memory) -> None:
        """Continue from what `remember` returned."""
        self.steps, self.rows = memory.facts["steps"], memory.facts["rows"]
        self._dropouts.restore(group(memory.arrays, "dropouts"))
        if self._turns:
            self._turns.restore(group(memory.arrays, "turns"))
        self._live.rest(self._dropouts.out)


def score_of(network: Network, setting: Setting) -> Score:
    """Evaluate one network on the whole validation split that the setting of a round holds."""
    return evaluate(
        network,
        setting.validation,
        precision=setting.search.precision,
        ranks=setting.ranks,
    )
