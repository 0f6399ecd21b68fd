"""The verdict about a search follows from its records, and claims no more than they show."""

from __future__ import annotations

from typing import Any

import pytest

from nasflow.records.verdict import Outcome, Verdict, verdict

BASE = {"validation_loss": 0.30, "validation_accuracy": 0.90}


def _row(morphism: str, loss: float, lead: float | None = None, **more: Any) -> dict[str, Any]:
    moved = {"reason": "recentred" if morphism else "max_steps", "lead_error": 0.01}
    measured = {"validation_loss": loss, "validation_accuracy": 1.2 - loss}
    return {"morphism": morphism, "lead": lead, **moved, **measured, **more}


def _verdict(*lineage: dict[str, Any], final: Any = None, **summary: Any) -> Verdict:
    given = {"algorithm": "nasgd", "reason": "rounds", "lineage": list(lineage), **summary}
    return verdict(given, BASE, final or {}, 144)


def test_moved_and_better() -> None:
    found = _verdict(_row("deepen", 0.2, 0.04), _row("", 0.18), _row("widen+deepen", 0.15, 0.03))
    assert (found.outcome, found.moved, found.rounds) == (Outcome.BETTER, 2, 3)
    assert found.lead == pytest.approx(0.07) and found.lead_error == pytest.approx(0.01 * 2**0.5)
    said = " ".join(found.text)
    assert "moved the centre in 2 of 3 rounds: deepen, widen + deepen." in said
    assert (
        "led their parents by 0.0700 ± 0.0141 nats of validation loss in all: a clear gain" in said
    )
    assert "fell from 0.3000 to 0.1500" in said and "longer training is part" in said
    assert found.entry()["outcome"] == "better" and found.entry()["text"] == list(found.text)


def test_moved_without_a_clear_gain_and_moved_and_worse() -> None:
    unclear = _verdict(_row("deepen", 0.29, 0.019))
    assert unclear.outcome == Outcome.UNCLEAR and "no clear gain" in " ".join(unclear.text)
    worse = _verdict(_row("deepen", 0.31, 0.04))
    assert worse.outcome == Outcome.WORSE and "made the network worse" in " ".join(worse.text)


@pytest.mark.parametrize(("loss", "outcome"), [(0.28, Outcome.UNCLEAR), (0.21, Outcome.BETTER)])
def test_without_a_recorded_lead_the_accuracies_decide_with_their_interval(
    loss: float, outcome: Outcome
) -> None:
    """92 % of 144 images are not clearly more than 90 %, and 99 % are."""
    assert _verdict(_row("deepen", loss, None)).outcome == outcome


def test_a_search_that_never_moved_says_why() -> None:
    kept = {"reason": "budget"}
    found = _verdict(_row("", 0.2), _row("", 0.2), _row("", 0.2, **kept), reason="patience")
    assert (found.outcome, found.moved) == (Outcome.UNCHANGED, 0)
    assert found.text == (
        "Searching changed nothing: none of 3 rounds moved the centre (2 times: no child led "
        "clearly within search.max_steps steps; 1 times: the budget was used up before a child "
        "led clearly).",
    )


def test_a_choice_in_the_portfolio_alone_is_no_search() -> None:
    chosen = _row("chain7", 0.2, 0.3, portfolio=True)
    found = _verdict(chosen, _row("", 0.19))
    assert (found.outcome, found.moved, found.rounds) == (Outcome.PORTFOLIO, 0, 1)
    assert "chose chain7 from base.portfolio. Searching grew nothing after that" in found.text[0]
    alone = _verdict(chosen, reason="seconds")
    assert alone.outcome == Outcome.PORTFOLIO and "budget.seconds left no time" in alone.text[0]
    first = _verdict(_row("", 0.2, portfolio=True), algorithm="race", reason="children")
    assert "chose the first network" in first.text[0] and "a race makes no" in first.text[0]
    grown = _verdict(chosen, _row("deepen", 0.1, 0.05))
    assert grown.outcome == Outcome.BETTER and grown.before == (0.2, pytest.approx(1.0))


@pytest.mark.parametrize(
    ("algorithm", "outcome"), [("none", Outcome.NO_SEARCH), ("chain7", Outcome.FIXED)]
)
def test_nothing_was_searched(algorithm: str, outcome: Outcome) -> None:
    found = _verdict(algorithm=algorithm, reason="none")
    assert (found.outcome, found.before) == (outcome, None)
    assert found.text[0].startswith("Nothing was searched")


def test_minutes_that_a_plateau_saved_are_told() -> None:
    found = _verdict(_row("", 0.2), final={"saved_seconds": 90.0, "plateau_epoch": 12.0})
    assert found.saved == 90.0
    assert found.text[-1].endswith(
        "plateau at epoch 12 and ended early, which saved about 1.5 minutes."
    )
