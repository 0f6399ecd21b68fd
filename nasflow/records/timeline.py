"""Every measurement of a search on the whole validation split, in the order of time.

The seconds are those of the stages one after another; the waiting between stages is left out.
Within a training, time is taken as proportional to steps, because the records do not say when a
step ended. `anytime` compares finished searches; this module shows one search as far as it got.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nasflow.records.story import Story, Training


class Look(NamedTuple):
    """One measurement on the whole validation split.

    Attributes:
        seconds: seconds of work since the start of the search.
        accuracy: validation accuracy, between 0 and 1.
        stage: `pretraining`, `search` or `final training`.
        what: what was measured, for people: `epoch 3` or `round 2: widen`.
        moved: True where a round moved the search to a child.
    """

    seconds: float
    accuracy: float
    stage: str
    what: str
    moved: bool = False


def timeline(story: Story) -> list[Look]:
    """List the measurements: those of both trainings (as in history.parquet), and one per round."""
    looks = list(_training(story.pretrain, 0.0, "pretraining"))
    passed = story.pretrain.status["seconds"] if story.pretrain else 0.0
    for found in story.rounds:
        status = found.status
        passed += status["seconds"]
        what = f"round {found.number}: {status['morphism'] or 'the search stays with the parent'}"
        looks.append(Look(passed, status["validation_accuracy"], "search", what, found.moved))
    return looks + list(_training(story.final, passed, "final training"))


def _training(found: Training | None, passed: float, stage: str) -> Iterator[Look]:
    if found is None:
        return
    for row in found.history.to_pylist():
        if row["validation_accuracy"] is not None:
            seconds = passed + found.status["seconds"] * row["step"] / found.status["steps"]
            yield Look(seconds, row["validation_accuracy"], stage, f"epoch {row['epoch']:.3g}")
