"""How a round of NASGD or NASAGD stands: averages, particles, dropouts, and the records so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasflow.particles import flow, particles
from nasflow.particles.average import Average
from nasflow.particles.flow import Vector
from nasflow.particles.particles import Rules, State
from nasflow.randomness import generator
from nasflow.search.dropouts import Dropouts
from nasflow.search.ends import RoundEnd
from nasflow.search.forecast import forecast
from nasflow.search.history import Record, pack, unpack
from nasflow.search.progress_note import progress_note
from nasflow.search.retiring import behind
from nasflow.search.round import Setting
from nasflow.training.loop import Step
from nasflow.training.schedule import sgdr
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import Memory, flat, group
from nasflow.training.turns import Turns


class RoundCourse:
    """The course of one round.

    Args:
        live: the siblings, the centre first.
        names: what people call each node.
        rules: how the particles move.
        price: what the parameters of each network cost, nats (m,).
        setting: what makes the round.
        turns: how many steps each sibling makes at a time; None for one.

    Attributes:
        history: the records of all steps.
        made: the training steps that each sibling made, int (m,).
        dropouts: the siblings that are out.
        winner: the node that leads when the round has ended, or None.
        reason: why it ended.
    """

    def __init__(
        self,
        live: Siblings,
        names: Sequence[str],
        rules: Rules,
        price: Vector,
        setting: Setting,
        turns: Turns | None = None,
    ) -> None:
        search = setting.search
        self.turns, self._spent = turns, 0.0
        self.made = np.zeros(len(live), dtype=np.int64)
        self._live, self._names, self._rules = live, names, rules
        self._price, self._setting = price, setting
        self._average = Average(len(live), search.window, search.burn_in)
        self._particles = particles.start(rules)
        self._first, self._cycle = 0, 1.0
        self.history: list[Record] = []
        self.dropouts = Dropouts(len(live))
        self.winner: int | None = None
        self.reason = RoundEnd.DIVERGED

    def begin(self, k: int, steps_per_epoch: int) -> None:
        """Set where the round begins; this must precede the first step.

        A prune round is one cosine cycle: it begins with the largest step size, whatever k is.

        Args:
            k: the global step at which the round begins.
            steps_per_epoch: the number of steps in which every training image is seen once.
        """
        search = self._setting.search
        self._first, self._cycle = k, search.epochs_neigh * steps_per_epoch
        if self._setting.pruning:
            self._first, self._cycle = 0, float(search.max_steps)

    def tau(self, done: int) -> float:
        """Return the step size after `done` steps of the round."""
        search = self._setting.search
        if self._setting.pruning:  # its end may be one of seconds
            done = min(round(self._passed(done) * search.max_steps), search.max_steps - 1)
        return sgdr(self._first + done, self._cycle, search.lambda_start, search.lambda_final)

    def record(self, step: Step, spent: float) -> bool:
        """Take over the losses of a step and move the particles.

        Args:
            step: the latest step.
            spent: the part of what the budget leaves for the round that is used up.

        Returns:
            False where no sibling is left, which ends the round.
        """
        dropouts, self._spent = self.dropouts, spent
        self.made = self.turns.made if self.turns else self.made + ~dropouts.out
        dropouts.note_step(step.number, self._live, step.train_loss, step.validation_loss)
        if dropouts.everyone:
            self.winner, self.reason = None, RoundEnd.DIVERGED
            return False
        losses = dropouts.filled(step.validation_loss)
        if self._setting.pruning and spent >= 0.5:
            self._average.hasten()
        self._average.update(losses)
        V = dropouts.filled(self._average.V)
        error = np.where(dropouts.out, 0.0, self._average.standard_error)
        trend, error = self._trend(losses, V, error)
        kinetic = self._kinetic()
        info = self._move(step, V + self._price + kinetic + trend, error)
        train_loss = np.where(dropouts.out, np.nan, step.train_loss)
        self.history.append(
            Record(
                step.k, step.tau, losses, V, self._price, kinetic, trend, error, train_loss, info
            )
        )
        self._retire(step.number, error)
        if self.turns:
            self.turns.out = dropouts.out
        return True

    def _trend(self, losses: Vector, V: Vector, error: Vector) -> tuple[Vector, Vector]:
        """Return what the forecast adds to the losses V of a portfolio, and the errors with it.

        Both are zero for siblings that are out. Without a forecast nothing is added to any loss,
        and the errors are those of V."""
        nothing = np.zeros(len(V)), error
        if not self._setting.portfolio or self._setting.forecast <= 1.0:
            return nothing
        so_far = np.stack([*(record.losses for record in self.history), losses])
        found = forecast(so_far, self._setting.forecast)
        if found is None:
            return nothing
        expected, out = V[0] * np.exp(found.ratio), self.dropouts.out
        return np.where(out, 0.0, expected - V), np.where(out, 0.0, expected * found.error)

    def _retire(self, number: int, error: Vector) -> None:
        """Let children stop that have fallen behind for good, once the averages are filled.

        In a prune round the price of size counts, since it is what lets a child win. A forecast
        knows already who is catching up."""
        search, last = self._setting.search, self.history[-1]
        price = self._price * self._setting.pruning
        if not search.retire or number < search.burn_in + search.window:
            return
        V = last.V + last.trend + price
        earlier = V if last.trend.any() else self.history[number // 2 - 1].V + price
        late = behind(V, error, earlier, self.dropouts.out, search.retire)
        self.dropouts.note(number, "behind", late)
        self._live.rest(self.dropouts.out)

    def note(self) -> str:
        """Say in a few words how the round stands."""
        last = self.history[-1]
        return progress_note(self._names, last.info.after, last.V, last.tau)

    def ended(self) -> bool:
        """Decide whether the round is over after its latest step.

        Returns:
            True where the round is over. `winner` and `reason` then say how it ended.
        """
        done, dropouts = len(self.history), self.dropouts
        self.winner = flow.winner(self._particles.counts)
        reason = self._reason(done)
        if reason is None and not dropouts.out[0]:
            return False
        dropouts.note(done, "weights", ~self._live.finite())
        if dropouts.everyone:
            self.winner, self.reason = None, RoundEnd.DIVERGED
            return True
        if dropouts.out[0]:
            self.winner = dropouts.heir(self._standing)
            self.reason = RoundEnd.PARENT_DIVERGED
            return True
        if reason is not None and (self.winner is None or not dropouts.out[self.winner]):
            self.reason = reason
            return True
        self._live.rest(dropouts.out)  # the round goes on without the child that had won
        return False

    def remember(self) -> Memory:
        """Return everything that later steps depend on."""
        arrays = flat(
            average=self._average.state(),
            particles=self._particles._asdict(),
            dropouts=self.dropouts.state(),
            turns=self.turns.state() if self.turns else {},
        )
        return Memory({}, arrays | {"made": self.made} | pack(self.history))

    def recall(self, memory: Memory) -> None:
        """Continue from what `remember` returned."""
        arrays = memory.arrays
        self._average.restore(group(arrays, "average"))
        self._particles = State(**group(arrays, "particles"))
        self.dropouts.restore(group(arrays, "dropouts"))
        self._live.rest(self.dropouts.out)
        self.made = arrays["made"].copy()
        if self.turns:
            self.turns.restore(group(arrays, "turns"))
            self.turns.out = self.dropouts.out
        self.history = unpack(arrays)

    def _kinetic(self) -> Vector:
        """Return |v|^2 / 2 of each sibling if the configuration adds it to the energy, else 0."""
        if not (self._setting.search.second_order.kinetic and self._rules.second_order):
            return np.zeros(len(self._live))
        kinetic: Vector = np.where(self.dropouts.out, 0.0, self._live.kinetic_energies())
        return kinetic

    def _move(self, step: Step, V: Vector, error: Vector) -> particles.Info:
        """Let the particles take one step; V has price and kinetic energy added."""
        out = self.dropouts.out
        self._particles, info = particles.step(
            generator("particles", self._setting.seed, self._setting.number, step.k),
            self._particles,
            V,
            error,
            step.tau,
            self._rules,
            still=self._still(step.number) or bool(out[0]),
            dropped=out,
        )
        return info

    def _still(self, number: int) -> bool:
        """Tell whether particles stand still after a step, because the losses say too little yet.

        Networks that morphisms made are alike at first, and warmup_steps lets their averages fill.
        Those of a portfolio begin with random weights, and train for half of the round first."""
        search = self._setting.search
        passed = self._passed(number) * search.max_steps if self._setting.pruning else number
        if passed <= search.warmup_steps:
            return True
        return bool(self._setting.portfolio) and self._passed(number) < 0.5 * self._setting.part

    @property
    def _standing(self) -> Vector:
        """The latest losses with price and forecast, by which a round ends without a winner."""
        last = self.history[-1]
        return last.V + last.price + last.trend

    def _passed(self, number: int) -> float:
        """Return the part of the budget, or of max_steps, that is used up after a step."""
        return max(self._spent, number / self._setting.search.max_steps)

    def _reason(self, done: int) -> RoundEnd | None:
        """Tell why the round ends after so many steps; None where it goes on.

        The first network of a portfolio has not earned to be the centre, so that at the end of the
        round the one with the lowest loss goes on, whatever its lead is. In a prune round the same
        holds for the loss with the price of size."""
        if self.winner is None and self._setting.portfolio:
            if self._passed(done) >= self._setting.part:
                self.winner = self.dropouts.heir(self._standing) or None
                return RoundEnd.RECENTRED if self.winner else RoundEnd.KEPT
        if self.winner is not None:
            return RoundEnd.RECENTRED
        if self._setting.pruning and self._passed(done) >= 1.0:
            self.winner = self.dropouts.heir(self._standing) or None
            return RoundEnd.RECENTRED if self.winner else RoundEnd.KEPT
        if done >= self._setting.search.max_steps:
            return RoundEnd.MAX_STEPS
        if self._setting.search.retire and self.dropouts.out[1:].all() and not self.dropouts.out[0]:
            return RoundEnd.KEPT
        return RoundEnd.BUDGET if self._spent >= 1.0 else None
