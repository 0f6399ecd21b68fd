"""The checklist is answered from the records."""

from __future__ import annotations

from typing import Any

import pytest
from compared import TOTAL, an_experiment, runs_of

from nasflow.comparison import checklist


@pytest.mark.parametrize(
    ("methods", "experiment", "expected"),
    [
        (
            ["nasgd", "random"],
            {"final": TOTAL},
            {"Random": "yes", "Multiple": "yes", "Conf": "yes"},
        ),
        (["nasgd", "nash"], {}, {"Random": "no", "Conf": "no", "Ablation": "no"}),
        (["nasgd"], {"seeds": [0, 1]}, {"Multiple": "no"}),
        (["nasgd", "nasgd-x"], {"compare": {"ablations": {"x": {}}}}, {"Ablation": "yes"}),
        (["nasgd"], {"compare": {"ablations": {"x": {}}}}, {"Ablation": "no"}),
        (["nasgd"], {}, {"How hyperparameters": "open", "Tabular": "no"}),
    ],
)
def test_the_checklist_is_answered_from_the_records(
    methods: list[str], experiment: dict[str, Any], expected: dict[str, str]
) -> None:
    answers = checklist.answers(runs_of(methods), an_experiment(**experiment), "a machine")
    assert len(answers) == 16
    for start, answer in expected.items():
        found = [a.answer for a in answers if a.question.startswith(start)]
        assert found == [answer], start


def test_budgets_that_came_out_unequal_are_told() -> None:
    answers = checklist.answers(
        runs_of(["nasgd", "nash"], seconds=13.0), an_experiment(final=TOTAL), "a machine"
    )
    (fair,) = (a for a in answers if a.question.startswith("Confounding"))
    assert fair.answer == "no"
    assert "used 10.0 to 13.0" in fair.evidence
