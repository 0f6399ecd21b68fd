"""The step size falls along a line, and restarts with each cycle of a cosine."""

from __future__ import annotations

import pytest

from nasflow.training.schedule import linear, sgdr


def test_the_step_size_restarts_with_each_cycle_and_not_with_each_round() -> None:
    assert sgdr(0, 10, 0.5, 0.1) == 0.5
    assert sgdr(5, 10, 0.5, 0.1) == pytest.approx(0.3)
    assert sgdr(9, 10, 0.5, 0.1) < 0.13
    assert sgdr(10, 10, 0.5, 0.1) == 0.5


def test_a_line_falls_evenly_and_stays_at_its_end() -> None:
    found = [linear(step, 10.0, 0.5, 0.1) for step in (0, 2.5, 5, 10, 99)]
    assert found == pytest.approx([0.5, 0.4, 0.3, 0.1, 0.1])
    assert linear(0, 10.0, 0.5, 0.1) == 0.5 and linear(10, 10.0, 0.5, 0.0) == 0.0
