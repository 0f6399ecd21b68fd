"""Every look that a search took at the whole validation split, in the order of time.

Seconds are those of the stages one after another, without the waiting between them. Within a
training time goes evenly with steps: the records hold no clock. Unlike `anytime`, which compares
finished searches, this shows one as far as it got.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nasflow.records.story import Story, Training


class Look(NamedTuple):
    """`what` says what was looked at; `moved`: a round that moved the centre."""

    seconds: float
    accuracy: float
    stage: str
    what: str
    moved: bool = False


def timeline(story: Story) -> list[Look]:
    """Ten looks a training, one a round."""
    looks = list(_training(story.pretrain, 0.0, "pretraining"))
    passed = story.pretrain.status["seconds"] if story.pretrain else 0.0
    for found in story.rounds:
        status = found.status
        passed += status["seconds"]
        what = f"round {found.number}: {status['morphism'] or 'the centre stays'}"
        looks.append(Look(passed, status["validation_accuracy"], "search", what, found.moved))
    return looks + list(_training(story.final, passed, "final training"))


def _training(found: Training | None, passed: float, stage: str) -> Iterator[Look]:
    if found is None:
        return
    for row in found.history.to_pylist():
        if row["validation_accuracy"] is not None:
            seconds = passed + found.status["seconds"] * row["step"] / found.status["steps"]
            yield Look(seconds, row["validation_accuracy"], stage, f"epoch {row['epoch']:.3g}")
