"""The page of a suite: from the sittings of all data sets to tables, a figure and a verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from nasflow.comparison import figures, page, suite_tables
from nasflow.comparison.differences import Difference
from nasflow.comparison.fixed import FIXED, certainty, how_to_add, sentence
from nasflow.comparison.page import Part
from nasflow.comparison.sitting import frame
from nasflow.comparison.suite_tables import BEST, EVERY
from nasflow.config.experiment import Experiment
from nasflow.records.intervals import Interval

Json = Mapping[str, Any]
FIGURE = "errors.png"


def suite(sittings: Sequence[Json], experiment: Experiment) -> dict[str, bytes]:
    """Make all files of a suite.

    Args:
        sittings: the content of sitting.json of each set, in the order to show them.
        experiment: the configuration of the suite.

    Returns:
        The content of each file by its name; the names are those of `config.suite.FILES` without
        files.json, which holds their sha256.
    """
    runs = frame(sittings)
    versus = suite_tables.versus(runs, experiment.compare.of, experiment.compare)
    drawn = errors_figure(runs)
    title = f"{experiment.experiment}: {runs.method.nunique()} methods on {_sets(len(sittings))}"
    shown = parts(runs, versus, sittings, experiment, drawn)
    csv = {"suite.csv": suite_tables.summary(runs), "versus.csv": versus, "runs.csv": runs}
    return {
        **{name: table.to_csv(index=False).encode() for name, table in csv.items()},
        FIGURE: drawn,
        "suite.html": page.as_html(title, shown).encode(),
        "suite.md": page.as_markdown(title, shown).encode(),
    }


def parts(
    runs: pd.DataFrame,
    versus: pd.DataFrame,
    sittings: Sequence[Json],
    experiment: Experiment,
    drawn: bytes,
) -> list[Part]:
    """Return the parts of the page in their order.

    Args:
        runs: one row for each run, as `sitting.frame` returns them.
        versus: the differences, as `suite_tables.versus` returns them.
        sittings: the sittings of all sets.
        experiment: the configuration of the suite.
        drawn: the figure of the errors as PNG.
    """
    of, shown = experiment.compare.of, []
    reading = _reading(of, experiment)
    for seconds, own in runs.groupby("seconds", sort=False):
        found = versus[versus.seconds == seconds]
        heading = f"at {seconds:g} seconds"
        shown.append(Part(f"Errors {heading}", _errors_text(own), suite_tables.errors(own)))
        if not found.empty:
            verdict = " ".join(_verdict(found, experiment))
            table = suite_tables.versus_table(found)
            shown.append(Part(f"{of} against each method {heading}", f"{verdict} {reading}", table))
            reading = "The columns are those of the table above."
        limit = suite_tables.perfect_choice(own, experiment.compare)
        if not limit.empty:
            table = suite_tables.versus_table(limit)
            shown.append(Part(f"What a perfect choice would win {heading}", LIMIT, table))
    return [
        *shown,
        Part("Every run", FIGURE_TEXT, (FIGURE, drawn)),
        Part("Where the seconds went", SPENT, suite_tables.spent(runs)),
        Part("Sittings", _sittings_text(sittings), sittings_table(sittings)),
    ]


def errors_figure(runs: pd.DataFrame) -> bytes:
    """Draw the test error of every run: one panel for each length and set.

    Args:
        runs: one row for each run, as `sitting.frame` returns them.
    """
    lengths, sets = list(runs.seconds.unique()), list(runs.set.unique())
    rows = [runs[runs.seconds == seconds].method.nunique() for seconds in lengths]
    size = (1.5 + 2.6 * len(sets), sum(0.35 * count + 1.2 for count in rows))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(lengths), len(sets), squeeze=False, height_ratios=rows)
    for seconds, line in zip(lengths, panels, strict=True):
        for name, axes in zip(sets, line, strict=True):
            figures.dots(axes, runs[(runs.seconds == seconds) & (runs.set == name)])
            axes.set_title(f"{name}, {seconds:g} s", fontsize=10)
            axes.set_xlabel("test error, %")
            if axes is not line[0]:
                axes.set_yticklabels([])
    return figures.png(figure)


def sittings_table(sittings: Sequence[Json]) -> pd.DataFrame:
    """Return one row of texts for each set: its machine, and when its runs took place (UTC)."""
    return pd.DataFrame(
        [
            {
                "set": found["set"],
                "machine": found["host"],
                "named in the records": "; ".join(found["machines"]),
                "began, UTC": _moment(found["began"]),
                "ended, UTC": _moment(found["ended"]),
            }
            for found in sittings
        ]
    )


def _verdict(found: pd.DataFrame, experiment: Experiment) -> Iterator[str]:
    """Yield the sentences that say what a length showed.

    With several sets the interval is over the sets, and with one set over its seeds.
    """
    of, level = experiment.compare.of.upper(), experiment.compare.level
    each = found[found.set != EVERY].set_index("method")
    count = each.set.nunique()
    whole = found[found.set == EVERY].set_index("method") if count > 1 else each
    fixed = _best_fixed(whole)
    if fixed is None:
        length = "long" if found.seconds.iloc[0] == experiment.suite.long.seconds else "short"
        methods = [experiment.compare.of, *whole.index]
        yield how_to_add(methods, f"suite.{length}.methods")
    else:
        against = _difference(whole.loc[fixed])
        own = each.loc[[fixed]]
        worse = int((own.clear.astype(bool) & (own.difference > 0)).sum())
        yield (
            f"Over {_sets(count)}, {of} ends {sentence(against)} "
            f"{'the ' if fixed == BEST else ''}{fixed}; "
            f"{certainty(against, level, 'set' if count > 1 else 'seed')}. "
            f"Sets on which it is clearly worse, by their seeds: {worse} of {count}."
        )
    clear, below = whole["clear"].astype(bool), whole["difference"] < 0
    yield (
        f"{of} is clearly better than: {_names(whole[clear & below])}; clearly worse than: "
        f"{_names(whole[clear & ~below])}; not told apart from: {_names(whole[~clear])}."
    )


def _difference(row: Any) -> Difference:
    """Return the difference that a row of `suite_tables.versus` holds."""
    between = Interval(row["difference"], row["low"], row["high"])
    return Difference(between, row["reach"], int(row["pairs"]))


def _best_fixed(whole: pd.DataFrame) -> str | None:
    """Return what stands for the fixed networks: their best of each set, or the only one."""
    if BEST in whole.index:
        return BEST
    return next((name for name in whole.index if name in FIXED), None)


def _names(whole: pd.DataFrame) -> str:
    return ", ".join(name for name in whole.index if name != BEST) or "no method"


def _sets(count: int) -> str:
    return "one data set" if count == 1 else f"{count} data sets"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def _errors_text(runs: pd.DataFrame) -> str:
    seeds = runs.seed.nunique()
    return (
        "Test errors in per cent: "
        f"{'one seed' if seeds == 1 else f'mean ± standard deviation of {seeds} seeds'}. Each run "
        f"has {runs.seconds.iloc[0]:g} seconds on one core, for pretraining, search and final "
        "training together. The rank of a method on a set is that of its mean error among these "
        "methods, 1 for the lowest; the last column is the mean rank over the sets."
    )


def _reading(of: str, experiment: Experiment) -> str:
    level = f"{experiment.compare.level:.0%}"
    return (
        f"A win is a set on which the mean error of {of} is lower, a loss one on which it is "
        f"higher. Differences are the error of {of} minus that of the other method, in percentage "
        f"points, so {of} is better below zero. They are paired: by seed on a set, and by set for "
        f"the mean over sets. Behind ± stands half the width of the {level} interval by Student's "
        f"t distribution; in brackets stands the {level} percentile bootstrap interval over the "
        "sets, which is too narrow for few sets. Clearly better or worse means that Student's "
        "interval over the sets does not contain zero (with one set, the one over its seeds). "
        "The interval over sets says how sure the mean is for data sets like these. The best fixed "
        "network of each set is chosen by the same test errors, which favours the fixed networks."
    )


LIMIT = (
    "A choice among the fixed networks that is always right and takes no time ends at the best "
    "fixed network of each set. Here it is compared with each of them, as above. The best one is "
    "known from the same test errors, so this is more than a search can be expected to win by "
    "choosing. Where even this interval over the sets contains zero, so many sets are too few to "
    "show that any choice among these networks is better than that network."
)
FIGURE_TEXT = "The test error of every run: one dot per seed. The vertical line is the mean."
SPENT = (
    "The line of the final network is the chain of networks that led to it: the base network, the "
    "winner of each round, and the final network. Only the training of this line is in the final "
    "weights. The seconds of a round are divided among its networks in proportion to their FLOPs. "
    "A fixed network has 100 % by definition. All columns are means over the seeds."
)


def _sittings_text(sittings: Sequence[Json]) -> str:
    text = (
        "A set is one sitting: its runs took place after one another, with no other set in "
        "between. Machines differ, so methods are compared within a set only."
    )
    several = [found["set"] for found in sittings if len(found["machines"]) > 1]
    if several:
        text += (
            f" Warning: the runs of {', '.join(several)} took place on more than one machine or "
            "with more than one version of the software, so they are not one sitting. Delete the "
            "folder of such a set, and run the same command again."
        )
    return text
