"""The step size restarts with each cycle."""

from __future__ import annotations

import pytest

from nasflow.training.schedule import sgdr


def test_the_step_size_restarts_with_each_cycle_and_not_with_each_round() -> None:
    assert sgdr(0, 10, 0.5, 0.1) == 0.5
    assert sgdr(5, 10, 0.5, 0.1) == pytest.approx(0.3)
    assert sgdr(9, 10, 0.5, 0.1) < 0.13
    assert sgdr(10, 10, 0.5, 0.1) == 0.5
