"""Children that have fallen behind for good stop, and others go on."""

from __future__ import annotations

import numpy as np
import portfolios
from hypothesis import given
from hypothesis import strategies as st

from nasflow.config.kinds import Algorithm
from nasflow.particles.flow import Vector
from nasflow.search.ends import RoundEnd
from nasflow.search.particle_round import run_round
from nasflow.search.retiring import CATCHING_UP, behind

NOBODY = np.zeros(4, dtype=bool)


def vector(*values: float) -> Vector:
    return np.array(values, dtype=float)


def test_a_large_gap_that_stays_is_behind() -> None:
    V, before = vector(1.0, 1.5, 1.01, 1.5), vector(2.0, 2.5, 2.01, 3.5)
    error = vector(0.0, 0.05, 0.05, 0.05)
    found = behind(V, error, before, NOBODY, 5.0)
    # the first child stays 0.5 behind; the second is too close; the third catches up
    assert found.tolist() == [False, True, False, False]


def test_the_centre_never_stops_and_is_no_measure_where_a_child_is_better() -> None:
    V, before = vector(2.0, 1.0, 1.9, 1.0), vector(2.0, 1.0, 1.9, 1.0)
    found = behind(V, vector(0.0, 0.01, 0.01, 0.01), before, NOBODY, 5.0)
    assert found.tolist() == [False, False, True, False]


def test_siblings_that_are_out_do_not_count() -> None:
    V, out = vector(1.0, 0.0, 1.5, 1.0), np.array([False, True, False, False])
    found = behind(V, vector(0.0, 0.0, 0.05, 0.05), V, out, 5.0)
    assert found.tolist() == [False, False, True, False]


@given(
    st.lists(st.floats(0.0, 3.0), min_size=4, max_size=4),
    st.lists(st.floats(0.0, 3.0), min_size=4, max_size=4),
    st.floats(0.0, 0.5),
    st.floats(0.1, 10.0),
)
def test_the_best_network_never_stops(
    V: list[float], before: list[float], error: float, retire: float
) -> None:
    now, earlier = vector(*V), vector(*before)
    found = behind(now, vector(0.0, *[error] * 3), earlier, NOBODY, retire)
    best = int(np.argmin(now))
    assert not found[best] and not found[0]
    gap, past = now - now[best], earlier - earlier[best]
    assert all(gap[i] >= CATCHING_UP * past[i] for i in np.flatnonzero(found))


def test_a_round_ends_when_only_the_centre_is_left() -> None:
    options = {"retire": 1e-9, "window": 2, "warmup_steps": 3, "max_steps": 200}
    setting = portfolios.setting(Algorithm.NASGD, part=1.0, **options)
    found = run_round(portfolios.parent(setting), 0, setting, lambda *_: None)
    causes = [row["died_of"] for row in found.architectures]
    assert "behind" in causes and causes[found.winner] is None
    left = causes.count(None)
    assert found.reason == (RoundEnd.KEPT if left == 1 else RoundEnd.RECENTRED)
    assert found.network_steps < 4 * found.steps or found.steps < 4
