"""An anytime curve shows the best accuracy seen so far."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nasflow.comparison.anytime import at


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=20),
    st.lists(st.floats(-1, 11), min_size=1, max_size=9),
)
def test_an_anytime_curve_is_the_best_seen_up_to_then(
    looks: list[tuple[float, float]], grid: list[float]
) -> None:
    looks.sort()
    times, values = np.array(looks).T
    found = at(times, np.maximum.accumulate(values), np.array(grid))
    for moment, value in zip(grid, found, strict=True):
        seen = [v for t, v in looks if t <= moment]
        assert value == max(seen) if seen else np.isnan(value)
