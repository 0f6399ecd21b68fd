"""A fixture that makes networks diverge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from nasflow.training.siblings import Siblings

Poison = Callable[..., None]


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Set a tensor of some siblings to NaN at their step `at` (from 1).

    Weights are poisoned before the step, velocities after it, so that no loss of that step shows
    it. With `among`, only rounds of so many networks are poisoned.
    """
    step = Siblings.step

    def poison(*victims: int, at: int, part: str = "x", among: int | None = None) -> None:
        def poisoned(self: Siblings, *rest: Any, **options: Any) -> Any:
            now = self._made.max() + 1 == at and among in (None, len(self))
            done = step(self, *rest, **options) if part == "v" else None
            for i in victims if now else ():
                with torch.no_grad():
                    next(iter(getattr(self._live[i].last, part).values())).fill_(float("nan"))
            return done or step(self, *rest, **options)

        monkeypatch.setattr(Siblings, "step", poisoned)

    return poison
