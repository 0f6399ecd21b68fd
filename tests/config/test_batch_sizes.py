"""Batch sizes are lowered where a set is small, and refused where somebody wrote a larger one."""

from __future__ import annotations

import pytest

from nasflow.config.batch_sizes import fitted, fitted_experiment
from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.config.training import Final, Pretrain


def test_a_set_that_is_large_enough_changes_nothing() -> None:
    experiment = Experiment()
    found, lines = fitted_experiment(experiment, 64, 32)
    assert found == experiment and not lines


def test_a_small_set_lowers_the_default_sizes_with_a_word() -> None:
    found, lines = fitted_experiment(Experiment(), 15, 1)
    assert (found.pretrain.batch_size, found.search.batch_size) == (14, 15), "two equal shards"
    assert (found.search.validation_batch_size, found.final.batch_size) == (1, 14)
    assert len(lines) == 4
    assert lines[0] == "pretrain.batch_size: 64; lowered to 14, as 15 images are there"


def test_a_larger_size_than_the_default_is_refused_in_one_line_each() -> None:
    experiment = parse(
        Experiment,
        {
            "budget": {"rounds": 1},
            "pretrain": {"batch_size": 800},
            "search": {"validation_batch_size": 33},
        },
    )
    with pytest.raises(ValueError, match="at most") as error:
        fitted_experiment(experiment, 43, 5)
    assert str(error.value).split("\n") == [
        "pretrain.batch_size: 800; expected at most the 43 images there are",
        "search.validation_batch_size: 33; expected at most the 5 images there are",
    ]


def test_validation_images_count_where_they_are_trained_on() -> None:
    assert fitted(Final(use_validation=True), "final", 60, 4)[0].batch_size == 64
    assert fitted(Final(), "final", 60, 4)[0].batch_size == 60


def test_no_epoch_needs_no_word() -> None:
    assert fitted(Pretrain(epochs=0.0), "pretrain", 10, 1)[1] == []
    with pytest.raises(ValueError, match="at most the 0 images"):
        fitted(Search(), "search", 10, 0)
