"""Curves are thinned and not averaged; their free energy is that of the theory."""

from __future__ import annotations

import numpy as np
import pytest
from particle_table import NAMES, SEARCH, particle_table

from nasflow.charts import round_charts
from nasflow.charts.charts import rounded
from nasflow.charts.round_curves import round_curves
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.particles import flow
from nasflow.report.parts import data_block, pack


def test_long_rounds_are_thinned_to_records_with_both_ends() -> None:
    particles = particle_table(5000)
    found = round_curves(particles, NAMES, 2, most=100, search=SEARCH)
    assert len(found.rows) == 300 and len(found.steps) == 100
    assert (found.rows[0]["step"], found.rows[-1]["step"]) == (1, 5000)
    records = {(row["step"], row["node"]): row for row in particles.to_pylist()}
    total = sum(records[1, node]["count_after"] for node in range(3))
    for row in found.rows:  # the chart shows shares after the move
        own = records[row["step"], row["node"]]
        assert row["share"] == rounded(own["count_after"] / total)
        assert row["loss"] == rounded(own["validation_loss"])
    whole = data_block(pack(round_charts.figures(found)))
    assert len(whole) < 60_000, "tables stand once, not once a chart"


@pytest.mark.parametrize("kind", ["power", "log"])
@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_the_energy_is_the_slope_of_the_free_energy(kind: str, beta: float) -> None:
    """dF/df_i = w U'(f_i) + V_i, by finite differences of what the chart shows."""
    from nasflow.charts.round_curves import entropy

    f = np.array([0.5, 0.3, 0.2])
    search = parse(Search, {"potential": kind, "beta": beta})
    step = 1e-6
    slope = (entropy(f + step, search) - entropy(f - step, search)) / (2 * step)
    assert slope == pytest.approx(flow.potential(f, kind, beta), rel=1e-6)


def test_free_energy_and_mean_loss_are_told_together_and_not_without_a_configuration() -> None:
    row = round_curves(particle_table(10), NAMES, 2, most=10, search=SEARCH).steps[-1]
    last = particle_table(10).to_pylist()[-3:]
    f, V = (np.array([r[name] for r in last]) for name in ("share", "validation_loss"))
    assert row["mean_loss"] == rounded(float(f @ V))
    assert row["free_energy"] == rounded(float(0.5 * (f**2 / 2).sum() + f @ V))
    without = round_curves(particle_table(10), NAMES, 2, most=10)
    assert "free_energy" not in round_charts.figures(without)
