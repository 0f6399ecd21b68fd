"""The difference of two methods' errors: its mean, its intervals, and how a table shows it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nasflow.config.compare import Compare
from nasflow.particles.flow import Vector
from nasflow.randomness import generator
from nasflow.records.intervals import Interval, paired_bootstrap, student_reach


class Difference(NamedTuple):
    """The mean of a_i - b_i over the pairs i.

    Attributes:
        between: the mean with the bounds of its bootstrap interval.
        reach: half the width of Student's interval; NaN where there is one pair.
        pairs: how many pairs there are.
    """

    between: Interval
    reach: float
    pairs: int

    @property
    def mean(self) -> float:
        """The mean difference."""
        return self.between.estimate

    @property
    def clear(self) -> bool:
        """Whether Student's interval does not contain zero; never with one pair."""
        return bool(abs(self.mean) > self.reach)  # False where reach is NaN


def paired(a: Vector, b: Vector, compare: Compare) -> Difference:
    """Compare two methods, pair by pair.

    Args:
        a: results of one method, (pairs,).
        b: results of the other method in the same order, (pairs,).
        compare: the section with the level and the number of resamples.
    """
    rng = generator("bootstrap", len(a))
    between = paired_bootstrap(a, b, resamples=compare.resamples, level=compare.level, rng=rng)
    return Difference(between, student_reach(a, b, level=compare.level), len(a))


def cell(found: Difference) -> str:
    """Write a difference as the cell of a table, such as `+0.65 [+0.20, +1.10] ± 0.40`.

    With one pair there is no interval, and the cell holds the difference alone.
    """
    if np.isnan(found.reach):
        return f"{found.mean:+.2f}"
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*found.between) + f" ± {found.reach:.2f}"
