"""How the training of one network stands: its history, its latest evaluation, and its length."""

from __future__ import annotations

import numpy as np

from nasflow.config.kinds import Schedule
from nasflow.config.training import Final, Pretrain
from nasflow.training.batches import Split
from nasflow.training.duration import Pace
from nasflow.training.loop import Step
from nasflow.training.schedule import cosine, linear
from nasflow.training.siblings import Score, Siblings
from nasflow.training.snapshot import Memory

Row = dict[str, float | int | None]
ROWS_PER_RUN = 200
LOOKS = 10  # evaluations on the validation images
NEVER = Score(float("nan"), float("nan"))


class TrainingCourse:
    """What a training records, and how far it has come.

    Args:
        stage: the section of the configuration.
        pace: estimates the total number of steps.
        steps_per_epoch: steps in which each training image is seen once.

    Attributes:
        rows: the history so far.
        score: the latest evaluation on the validation images; NaN before the first one.
        steps: steps made.
        total: steps in all, by the latest estimate.
    """

    def __init__(self, stage: Pretrain | Final, pace: Pace, steps_per_epoch: int) -> None:
        self._stage, self._pace, self._epoch = stage, pace, steps_per_epoch
        # Images that are trained on are not worth looking at more than once.
        self._looks = 1 if isinstance(stage, Final) and stage.use_validation else LOOKS
        self._recent: list[float] = []
        self.rows: list[Row] = []
        self.score, self.steps, self.total = NEVER, 0, 0.0
        self._estimated = -1  # the number of steps that `total` belongs to

    def more(self, done: int) -> bool:
        """Tell whether the training goes on after `done` steps."""
        self._estimate(done)
        return done < self.total

    def tau(self, done: int) -> float:
        """Return the step size after `done` steps: a cosine or a line, times the linear rise."""
        stage = self._stage
        warmup = stage.warmup if isinstance(stage, Final) else 0.0
        rise = max(warmup * self.total, 1.0)
        falling = linear if stage.schedule == Schedule.LINEAR else cosine
        fall = falling(done / self.total, 1.0, stage.lambda_start, stage.lambda_final)
        return fall * min(1.0, (done + 1) / rise)

    def record(self, step: Step, live: Siblings, validation: Split) -> None:
        """Take over a step. The network is evaluated LOOKS times in the whole training.

        It is evaluated once, at the end, where it is trained on the validation images too.

        Args:
            step: the latest step.
            live: the network, as the only sibling.
            validation: the images that it is evaluated on.
        """
        before = (step.number - 1) / self.total
        self._recent.append(float(step.train_loss[0]))
        self.steps = step.number
        self._estimate(step.number)
        now = min(step.number / self.total, 1.0) if self.total else 1.0
        look = int(self._looks * now) > int(self._looks * before)
        if look:
            self.score = live.evaluate(validation)[0]
        if look or int(ROWS_PER_RUN * now) > int(ROWS_PER_RUN * before):
            self.rows.append(
                {
                    "step": step.number,
                    "epoch": step.number / self._epoch,
                    "tau": step.tau,
                    "train_loss": float(np.mean(self._recent)),
                    "validation_loss": self.score.loss if look else None,
                    "validation_accuracy": self.score.accuracy if look else None,
                }
            )
            self._recent.clear()

    def note(self, step: Step) -> str:
        """Say in a few words how the training stands after a step."""
        accuracy = self.score.accuracy
        seen = "" if np.isnan(accuracy) else f", validation accuracy {accuracy:.2%}"
        return f"loss {float(step.train_loss[0]):.3f}" + seen

    def facts(self) -> Row:
        """Return the steps, epochs, losses in nats and accuracy at the end."""
        return {
            "steps": self.steps,
            "epochs": self.steps / self._epoch,
            "train_loss": self.rows[-1]["train_loss"] if self.rows else None,
            "validation_loss": self.score.loss,
            "validation_accuracy": self.score.accuracy,
        }

    def _estimate(self, done: int) -> None:
        """Estimate `total` once for each step, so that all parts of a step see the same one."""
        if self._estimated != done:
            self._estimated, self.total = done, self._pace.total(done)

    def remember(self) -> Memory:
        """Return everything that later steps depend on."""
        facts = {"steps": self.steps, "rows": self.rows, "recent": self._recent}
        return Memory(facts | {"look": list(self.score)}, {})

    def recall(self, memory: Memory) -> None:
        """Continue from what `remember` returned."""
        self.steps, self.rows = memory.facts["steps"], memory.facts["rows"]
        self._recent = memory.facts["recent"]
        self.score = Score(*memory.facts["look"])
