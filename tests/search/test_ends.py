"""Every end of a round or search has its words, and an unknown one raises."""

from __future__ import annotations

import pytest

from nasflow.command.show_search import why
from nasflow.config.budget import Budget
from nasflow.records.summary import ended
from nasflow.search.ends import RoundEnd, SearchEnd
from nasflow.tracking.notes import REASONS


def test_every_end_of_a_round_is_said_in_words() -> None:
    assert set(REASONS) == set(RoundEnd)
    words = {why({"reason": end, "steps": 3, "winner": 1}) for end in RoundEnd}
    assert len(words) == len(RoundEnd)


def test_every_bound_of_a_budget_is_an_end_of_a_search() -> None:
    assert set(Budget.model_fields) < set(SearchEnd)
    assert len({ended(end) for end in SearchEnd}) == len(SearchEnd)


def test_an_unknown_end_raises() -> None:
    for say in (lambda: ended("luck"), lambda: why({"reason": "luck", "steps": 3, "winner": 1})):
        with pytest.raises(ValueError, match="luck"):
            say()
