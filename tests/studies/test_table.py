"""A landscape shows the loss of one of its trainings for each seed."""

from __future__ import annotations

import pytest

from nasflow.studies.table import Landscape, Queries, Spent


def test_a_repeated_query_is_free_and_gives_the_same_loss(rugged: Landscape[str]) -> None:
    queries = Queries(rugged, 1, seed=0)
    assert queries("0000") == queries("0000")
    assert queries("0000") in rugged.losses("0000")
    with pytest.raises(Spent):
        queries("0001")


def test_every_training_is_shown_to_some_seed(rugged: Landscape[str]) -> None:
    shown = {Queries(rugged, 1, seed)("1234") for seed in range(60)}
    assert shown == set(rugged.losses("1234"))
