"""What a round reports about its winner, and how many rounds in a row moved nothing."""

from __future__ import annotations

from typing import Any

import pytest
from quick import base_network

from nasflow.search.ends import RoundEnd
from nasflow.search.round import Round
from nasflow.search.status import round_status, round_totals

BEFORE = {"seconds": 0.0, "network_epochs": 0.0, "architectures": 0, "recentred": 0, "unmoved": 2}


def _round(winner: int, morphism: str = "widen", died: str | None = None, **step: Any) -> Round:
    nodes: list[Any] = [
        {"morphism": "", "site": "", "validation_loss": 0.5, "died_of": died},
        {"morphism": morphism, "site": "1", "validation_loss": 0.4, "died_of": None},
    ]
    steps: list[Any] = [{"node": node, "standard_error": 0.01} | step for node in range(2)]
    reason = RoundEnd.RECENTRED if winner else RoundEnd.MAX_STEPS
    return Round(base_network(), winner, reason, 1, 2, 1, steps, nodes, 0.4, 0.9)


def _unmoved(result: Round, before: dict[str, Any] = BEFORE) -> float:
    return round_totals(result, before, 3, 1.0, 1)["unmoved"]


def test_rounds_in_a_row_that_move_nothing_are_counted() -> None:
    assert (_unmoved(_round(0)), _unmoved(_round(1))) == (3, 0)
    assert _unmoved(_round(0, "chain7")) == 0  # a choice in the portfolio is no try to move
    old = {key: value for key, value in BEFORE.items() if key != "unmoved"}
    assert _unmoved(_round(0), old) == 1


@pytest.mark.parametrize(
    ("result", "lead"),
    [
        (_round(1), (0.1, 0.01)),
        (_round(0), (None, None)),
        (_round(1, standard_error=None), (0.1, None)),
        (_round(1, died="training loss"), (None, None)),
        (_round(1, trend=-0.3), (0.4, 0.01)),  # as it was predicted
    ],
)
def test_the_lead_of_the_winner_is_that_of_equal_training(result: Round, lead: Any) -> None:
    found = round_status(result, {})
    assert (found["lead"], found["lead_error"]) == pytest.approx(lead)
    assert found["portfolio"] is False and round_status(_round(1, "chain7"), {})["portfolio"]
