"""A difference of two methods has its intervals, and a cell that shows them."""

from __future__ import annotations

import numpy as np

from nasflow.comparison.differences import cell, paired
from nasflow.config.compare import Compare


def test_a_difference_is_clear_where_students_interval_leaves_zero_out() -> None:
    a = np.array([1.0, 1.2, 1.1, 0.9])
    assert paired(a, a + 1.0, Compare()).clear
    assert paired(a + 1.0, a, Compare()).mean > 0.99
    assert not paired(a, a[::-1], Compare()).clear


def test_one_pair_has_no_interval() -> None:
    found = paired(np.array([2.0]), np.array([1.5]), Compare())
    assert (found.mean, found.pairs, found.clear) == (0.5, 1, False)
    assert np.isnan(found.reach)
    assert cell(found) == "+0.50"
