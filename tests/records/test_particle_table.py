"""The loss by which networks were compared, shares after a move, tables without particles."""

from __future__ import annotations

import pyarrow as pa

from nasflow.records.particle_table import (
    compared_loss,
    has_forecast,
    has_particles,
    with_share_after,
)


def test_a_forecast_counts_where_there_is_one() -> None:
    assert compared_loss({"validation_loss": 1.0, "trend": -0.25}) == 0.75
    assert compared_loss({"validation_loss": 1.0, "trend": None}) == 1.0  # an older table
    assert compared_loss({"validation_loss": None, "trend": None}) is None


def test_a_table_tells_whether_there_was_a_forecast() -> None:
    for trend, there in (([0.0, -0.1], True), ([0.0, 0.0], False), ([None, None], False)):
        assert has_forecast(pa.table({"trend": pa.array(trend, pa.float64())})) == there


def test_shares_are_those_after_the_move() -> None:
    after = {"step": [1, 1, 2, 2], "node": [0, 1, 0, 1], "count_after": [3, 1, 2, 2]}
    table = pa.table(after | {"count": [4, 0, 3, 1]})
    assert has_particles(table)
    assert with_share_after(table)["share_after"].to_pylist() == [0.75, 0.25, 0.5, 0.5]


def test_the_table_of_a_baseline_has_no_particles() -> None:
    assert not has_particles(pa.table({"count": pa.array([None, None], pa.int64())}))
