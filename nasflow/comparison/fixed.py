"""What no search would have given: each search beside the best fixed network.

A fixed network is an architecture that a person could pick without any search. It is trained by
the same code and recipe, and gets the whole budget of a search. The best one is chosen by the same
test errors that are compared, which favours the fixed networks, not the searches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nasflow.comparison.differences import Difference, cell
from nasflow.comparison.tables import DASH, difference, spread
from nasflow.config import kinds
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Algorithm

FIXED = (*kinds.FIXED, Algorithm.NONE)  # algorithms without rounds


def best(runs: pd.DataFrame) -> str | None:
    """Return the fixed network with the lowest mean test error; None where none was run."""
    errors = runs[runs.method.isin(FIXED)].groupby("method", sort=False).test_error.mean()
    return None if errors.empty else str(errors.idxmin())


def searches(runs: pd.DataFrame, of: str) -> list[str]:
    """Return the methods that searched, `of` first; ablations are left out.

    Args:
        runs: the runs as `tables.runs` returns them.
        of: the algorithm that the page is about, `compare.of`.
    """
    found = [m for m in runs.method.unique() if m not in FIXED and "-" not in m]
    return sorted(found, key=lambda name: name != of)


def table(runs: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Return one row of texts for each search, beside the best fixed network.

    Args:
        runs: the runs as `tables.runs` returns them.
        experiment: the configuration of the comparison.
    """
    fixed = best(runs)
    columns = ["search", "test error %", "best fixed network", "its test error %"]
    return pd.DataFrame(
        [
            (
                name,
                _error(runs, name),
                fixed or DASH,
                _error(runs, fixed) if fixed else DASH,
                _against(runs, name, fixed, experiment),
            )
            for name in searches(runs, experiment.compare.of)
        ],
        columns=[*columns, "error minus that of the fixed network, percentage points"],
    )


def verdict(runs: pd.DataFrame, experiment: Experiment) -> str:
    """Say in one sentence whether the search was worth its time.

    Args:
        runs: the runs as `tables.runs` returns them.
        experiment: the configuration of the comparison.
    """
    fixed, names = best(runs), searches(runs, experiment.compare.of)
    if not names:
        return "No search was run, so there is nothing to compare with the fixed networks."
    if fixed is None:
        return how_to_add(experiment.algorithms)
    found = difference(runs, names[0], fixed, experiment)
    assert found is not None  # both methods ran, and they differ
    ours, theirs = (
        100.0 * runs[runs.method == name].test_error.mean() for name in (names[0], fixed)
    )
    return (
        f"{names[0].upper()} ends {sentence(found)} the best fixed network, {fixed} "
        f"({ours:.2f} % against {theirs:.2f} %); {certainty(found, experiment.compare.level)}."
    )


def sentence(found: Difference) -> str:
    """Say how far an error lies from another one, such as `0.45 points below`."""
    if found.mean == 0.0:
        return "level with"
    return f"{abs(found.mean):.2f} points {'below' if found.mean < 0 else 'above'}"


def certainty(found: Difference, level: float, pairs: str = "seed") -> str:
    """Say what the interval of a difference tells.

    Args:
        found: the difference.
        level: the level of the interval.
        pairs: what the pairs are: `seed` or `set`.
    """
    if np.isnan(found.reach):
        return f"with one {pairs} there is no interval"
    says = "it does not contain zero" if found.clear else "it contains zero, so this may be chance"
    low, high = found.mean - found.reach, found.mean + found.reach
    return f"{level:.0%} interval by Student's t [{low:+.2f}, {high:+.2f}]: {says}"


def how_to_add(algorithms: Sequence[str], key: str = "algorithms") -> str:
    """Say how a fixed network is added where there is none.

    Args:
        algorithms: what runs now.
        key: the key of the configuration that lists them.
    """
    first = next(name for name in FIXED if name in tuple(Algorithm))
    return (
        "No fixed network was run, so this page cannot show what no search would have given; add "
        f"one and run the same command again: {key}: [{', '.join([*algorithms, first])}]."
    )


def _error(runs: pd.DataFrame, name: str) -> str:
    return spread(runs[runs.method == name].test_error, 100.0, 2)


def _against(runs: pd.DataFrame, name: str, fixed: str | None, experiment: Experiment) -> str:
    found = difference(runs, name, fixed, experiment) if fixed else None
    return DASH if found is None else cell(found)
