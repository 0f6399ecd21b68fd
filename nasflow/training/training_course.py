"""How the training of one network stands: its history, its latest evaluation, and its length."""

from __future__ import annotations

import numpy as np

from nasflow.config.kinds import Schedule
from nasflow.config.training import Final, Pretrain
from nasflow.training.batches import Split
from nasflow.training.duration import Pace
from nasflow.training.loop import Step
from nasflow.training.plateau import Decay, Plateau, decay
from nasflow.training.schedule import cosine, linear
from nasflow.training.siblings import Score, Siblings
from nasflow.training.snapshot import Memory

Row = dict[str, float | int | None]
ROWS_PER_RUN = 200
LOOKS = 10  # evaluations on the validation images
PROMPT = 10  # one of so many steps is never late, so that its state can be kept
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
        patience = stage.patience if isinstance(stage, Final) else None
        self._plateau = Plateau(patience) if patience is not None else None
        self._decay: Decay | None = None

    def more(self, done: int) -> bool:
        """Tell whether the training goes on after `done` steps."""
        self._estimate(done)
        return done < self.total

    def tau(self, done: int) -> float:
        """Return the step size after `done` steps: a cosine or a line, times the linear rise."""
        stage = self._stage
        falling = linear if stage.schedule == Schedule.LINEAR else cosine
        progress = self._decay.at(done, self.total) if self._decay else done / self.total
        fall = falling(progress, 1.0, stage.lambda_start, stage.lambda_final)
        return fall * min(1.0, (done + 1) / self._rise())

    def _rise(self) -> float:
        """Return the number of steps in which the step size rises."""
        warmup = self._stage.warmup if isinstance(self._stage, Final) else 0.0
        return max(warmup * self.total, 1.0)

    def record(self, step: Step, live: Siblings, validation: Split) -> None:
        """Take over a step. The network is evaluated LOOKS times in the whole training.

        It is evaluated once, at the end, where it is trained on the validation images too, and
        after every epoch where the training may stop at a plateau.

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
        look = self._evaluated(step.number, before, now)
        if look:
            self.score = live.evaluate(validation)[0]
            self._look_for_plateau(step.number)
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

    def late(self, done: int) -> bool:
        """Tell whether step `done` may be recorded after the next one was launched.

        It may not where the network is evaluated after it, because it would be one step further.
        The total number of steps must be known from the start: an estimate that follows the time
        would be asked for in another order.
        """
        before, now = (done - 1) / self.total, min(done / self.total, 1.0)
        return done % PROMPT != 0 and not self._evaluated(done, before, now)

    def _evaluated(self, number: int, before: float, now: float) -> bool:
        """Tell whether the network is evaluated after a step.

        `before` and `now` are how far the training is before and after it, from 0 to 1."""
        if self._plateau is not None:
            return number % self._epoch == 0 or now >= 1.0
        return int(self._looks * now) > int(self._looks * before)

    def _look_for_plateau(self, done: int) -> None:
        """Let the step size fall to its end where the latest evaluation makes a plateau."""
        if self._plateau is None or self._decay is not None or done < self._rise():
            return
        if self._plateau.reached(self.score.loss):
            self._decay = decay(done, self.total)
            self._estimated = -1

    def note(self, step: Step) -> str:
        """Say in a few words how the training stands after a step."""
        accuracy = self.score.accuracy
        seen = "" if np.isnan(accuracy) else f", validation accuracy {accuracy:.2%}"
        flat = f", plateau at epoch {self._decay.step / self._epoch:.3g}" if self._decay else ""
        return f"loss {float(step.train_loss[0]):.3f}{seen}{flat}"

    def facts(self) -> Row:
        """Return the steps, epochs, losses in nats and accuracy at the end.

        After a plateau they also tell the step and the epoch of it, and how many steps it saved.
        """
        found = self._decay
        saved: Row = {}
        if found is not None:
            saved = {
                "plateau_step": found.step,
                "plateau_epoch": found.step / self._epoch,
                "saved_steps": max(0, round(found.planned) - self.steps),
            }
        return saved | {
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
            if self._decay is not None:
                self.total = min(self.total, float(self._decay.end))

    def remember(self) -> Memory:
        """Return everything that later steps depend on."""
        facts = {"steps": self.steps, "rows": self.rows, "recent": self._recent}
        facts |= {"plateau": self._plateau.remember() if self._plateau else None}
        facts |= {"decay": list(self._decay) if self._decay else None}
        return Memory(facts | {"look": list(self.score)}, {})

    def recall(self, memory: Memory) -> None:
        """Continue from what `remember` returned."""
        self.steps, self.rows = memory.facts["steps"], memory.facts["rows"]
        self._recent = memory.facts["recent"]
        self.score = Score(*memory.facts["look"])
        if self._plateau is not None:
            self._plateau.recall(memory.facts["plateau"])
        kept = memory.facts["decay"]
        self._decay = Decay(*kept) if kept else None
