"""The final training gets what is left of a total."""

from __future__ import annotations

import pytest

from nasflow.config import experiment as config
from nasflow.search import allowance


def test_the_final_training_has_what_is_left_of_a_total() -> None:
    final = config.plain(config.Final(epochs=None, total_epochs=50.0, batch_size=64))
    assert allowance.left(final, {"epochs": 10.0}, 192)["epochs"] == 40.0
    assert allowance.left(final, {"epochs": 60.0}, 192)["epochs"] == pytest.approx(1 / 3)
    final = config.plain(config.Final(epochs=None, total_seconds=50.0))
    assert allowance.left(final, {"seconds": 20.0}, 192)["seconds"] == 30.0
