"""The tables of a suite: errors and ranks, one method against each other, where the seconds went.

Methods are compared within a set only, because a set is one sitting on one machine, and only with
methods that had the same seconds. All tables come from one frame with a row for each run
(`sitting.frame`): set, seconds, method, seed, test_error (0 to 1), own_line and others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from nasflow.comparison.differences import Difference, paired
from nasflow.comparison.fixed import FIXED
from nasflow.comparison.tables import spread
from nasflow.config.compare import Compare
from nasflow.particles.flow import Vector

GROUP = ["seconds", "set", "method"]
EVERY = "all"  # in the column `set` of versus.csv: the mean over the sets
COLUMNS = (  # of versus.csv
    *("seconds", "of", "method", "set", "pairs", "difference", "low", "high", "reach", "clear"),
    *("wins", "ties", "losses"),
)
BEST = "best fixed network of each set"
Row = dict[str, Any]


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row of numbers for each length, set and method: the file suite.csv.

    The rank is that of the mean error within the set, among the methods that had the same seconds;
    methods with equal errors share the mean of their ranks. Errors are in per cent.
    """
    found = runs.groupby(GROUP, sort=False)
    table = pd.DataFrame(
        {
            "seeds": found.size(),
            "error_mean": 100.0 * found.test_error.mean(),
            "error_sd": 100.0 * found.test_error.std(),
            "own_line": found.own_line.mean(),
            "seconds_total": found.seconds_total.mean(),
            "recentred": found.recentred.mean(),
            "rounds": found.rounds.mean(),
            "parameters": found.parameters.mean(),
        }
    )
    within = table.error_mean.round(9).groupby(["seconds", "set"], sort=False)
    table.insert(3, "rank", within.rank(method="average"))
    return table.reset_index()


def errors(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row of texts for each method: mean ± sd of its errors on each set, and its rank.

    Args:
        runs: the runs of one length.
    """
    ranks = summary(runs).groupby("method", sort=False)["rank"].mean()
    rows = []
    for name in runs.method.unique():
        own = runs[runs.method == name]
        by_set = {s: spread(own[own.set == s].test_error, 100.0, 2) for s in runs.set.unique()}
        rows.append({"method": name, **by_set, "mean rank": f"{ranks[name]:.2f}"})
    return pd.DataFrame(rows)


def versus(runs: pd.DataFrame, of: str, compare: Compare) -> pd.DataFrame:
    """Return what separates one method from each other one: the file versus.csv.

    Args:
        runs: the runs of all lengths.
        of: the method that is compared with all others.
        compare: the section with the level and the number of resamples.

    Returns:
        One row for each length, other method and set, paired by seed, and one more with the set
        `all`, which pairs the means of the sets. `difference` is the error of `of` minus that of
        the other method, in percentage points. Wins, ties and losses count sets.
    """
    rows = [
        {"seconds": seconds, "of": of, "method": name, **row}
        for seconds, own in runs.groupby("seconds", sort=False)
        for name, other in _others(own, of)
        for row in _against(own[own.method == of], other, compare)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def perfect_choice(runs: pd.DataFrame, compare: Compare) -> pd.DataFrame:
    """Return what separates the best fixed network of each set from each fixed network.

    It is where a choice among them would end that is always right and takes no time.

    Args:
        runs: the runs of one length.
        compare: the section with the level and the number of resamples.

    Returns:
        Rows as those of `versus`; none where fewer than two fixed networks were run.
    """
    fixed = runs[runs.method.isin(FIXED)]
    names = fixed.method.unique()
    rows = [
        {"seconds": fixed.seconds.iloc[0], "of": BEST, "method": name, **row}
        for name in (names if len(names) > 1 else ())
        for row in _against(_best(fixed), fixed[fixed.method == name], compare)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def versus_table(found: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one length of `versus` as texts, one row for each method."""
    rows = []
    for name in found.method.unique():
        own = found[found.method == name]
        whole = own[own.set == EVERY].iloc[0]
        counts = {kind: f"{whole[kind]:.0f}" for kind in ("wins", "ties", "losses")}
        by_set = {row["set"]: _short(row) for _, row in own[own.set != EVERY].iterrows()}
        rows.append({"against": name, **counts, "mean over sets": _cell(whole), **by_set})
    return pd.DataFrame(rows)


def spent(runs: pd.DataFrame) -> pd.DataFrame:
    """Return where the seconds went: one row of texts for each length, set and method."""
    rows = [
        {
            "seconds": f"{row['seconds']:g}",
            "set": row["set"],
            "method": row["method"],
            "seconds used": f"{row['seconds_total']:.1f}",
            "in the final network's line, %": f"{100.0 * row['own_line']:.0f}",
            "rounds that moved the centre": f"{row['recentred']:.1f} of {row['rounds']:.1f}",
            "parameters": f"{row['parameters']:,.0f}",
        }
        for _, row in summary(runs).iterrows()
    ]
    return pd.DataFrame(rows)


def _others(runs: pd.DataFrame, of: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each other method with its runs, the best fixed network of each set first."""
    fixed = runs[runs.method.isin(FIXED) & (runs.method != of)]
    if fixed.method.nunique() > 1:
        yield BEST, _best(fixed)
    for name in runs.method.unique():
        if name != of:
            yield str(name), runs[runs.method == name]


def _best(fixed: pd.DataFrame) -> pd.DataFrame:
    """Return the runs of the fixed network with the lowest mean error on each set."""
    means = fixed.groupby(["set", "method"], sort=False).test_error.mean()
    best = set(means.groupby("set").idxmin())
    return fixed[[pair in best for pair in zip(fixed.set, fixed.method, strict=True)]]


def _against(own: pd.DataFrame, other: pd.DataFrame, compare: Compare) -> Iterator[Row]:
    """Yield one row for each set, and one for all of them."""
    means = []
    for name in own.set.unique():
        a, b = (_by_seed(found[found.set == name]) for found in (own, other))
        means.append((float(a.mean()), float(b.mean())))
        yield _row(str(name), paired(a, b, compare))
    ours, theirs = np.array(means).T
    signs = np.sign((ours - theirs).round(9))
    counts = {"wins": np.sum(signs < 0), "ties": np.sum(signs == 0), "losses": np.sum(signs > 0)}
    yield _row(EVERY, paired(ours, theirs, compare)) | counts


def _by_seed(runs: pd.DataFrame) -> Vector:
    return 100.0 * runs.set_index("seed").test_error.sort_index().to_numpy(dtype=float)


def _row(name: str, found: Difference) -> Row:
    low, high = found.between[1:] if found.pairs > 1 else (np.nan, np.nan)
    return {
        "set": name,
        "pairs": found.pairs,
        "difference": found.mean,
        "low": low,
        "high": high,
        "reach": found.reach,
        "clear": found.clear,
    }


def _short(row: Any) -> str:
    """Write the difference on one set, with half of Student's interval where there is one."""
    reach = "" if np.isnan(row["reach"]) else f" ± {row['reach']:.2f}"
    return f"{row['difference']:+.2f}{reach}"


def _cell(row: Any) -> str:
    """Write the mean difference over the sets with its intervals."""
    if np.isnan(row["reach"]):
        return f"{row['difference']:+.2f}"
    bounds = f"[{row['low']:+.2f}, {row['high']:+.2f}]"
    return f"{row['difference']:+.2f} {bounds} ± {row['reach']:.2f}"
