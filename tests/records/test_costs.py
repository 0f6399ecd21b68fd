"""The costs of a search add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from nasflow.records.story import story
from nasflow.storage.files import read_json


def test_costs_add_up(tiny: Path) -> None:
    from nasflow.records import costs

    told = story(tiny, "nasgd", 0)
    rows, metrics = (
        costs.costs(told, images=40),
        read_json(tiny / "nasgd/seed_0/final/metrics.json"),
    )
    whole = costs.total(rows)
    assert whole.seconds == pytest.approx(metrics["seconds"]["total"])
    epochs = sum(metrics[f"{name}_epochs"] for name in ("pretrain", "search", "final"))
    assert whole.epochs == pytest.approx(epochs)
    first = costs.children(told.rounds[0], images=40)
    assert sum(child.steps for child in first) == told.rounds[0].status["network_steps"]
