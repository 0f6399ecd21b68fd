"""The table of peers beside this pipeline's own algorithms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nasflow.comparison import tables
from nasflow.comparison.page import table as markdown
from nasflow.config.experiment import Experiment
from nasflow.records.intervals import mean_sd

COLUMNS = (
    *("method", "seed", "seconds_total", "epochs_total", "parameters", "test_error"),
    *("architectures", "seconds_pretrain", "seconds_search", "seconds_final"),
    *("epochs_search", "validation_accuracy", "flops", "conv_layers", "fingerprint"),
)


def runs(
    results: Path, own: Sequence[str], peers: Path, names: Sequence[str], seeds: Sequence[int]
) -> pd.DataFrame:
    """Read one row for each method and seed.

    Args:
        results: the folder of the pipeline's own methods.
        own: the names of these methods.
        peers: the folder of the peers.
        names: the names of the peers.
        seeds: the seeds.
    """
    frames = [
        tables.runs(folder, methods, seeds)
        for folder, methods in ((results, own), (peers, names))
        if methods
    ]
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]


def summary(frame: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Make one row for each method: mean ± standard deviation over the seeds.

    The last column is the paired difference from the method that `compare.of` names.
    """
    rows = []
    for name in frame.method.unique():
        own = frame[frame.method == name]
        apart = tables.against(frame, name, experiment.compare.of, experiment)
        rows.append(
            {
                "method": name,
                "seeds": len(own),
                "seconds": _spread(own.seconds_total, 1),
                "of these search": _spread(own.seconds_search, 1),
                "epochs of all networks": _spread(own.epochs_total, 0),
                "architectures": _spread(own.architectures, 1),
                "parameters": _spread(own.parameters, 0),
                "test error %": _spread(100.0 * own.test_error, 2),
                f"error − {experiment.compare.of}'s, points": (
                    apart if len(own) > 1 else tables.DASH
                ),
            }
        )
    return pd.DataFrame(rows)


def page(frame: pd.DataFrame, experiment: Experiment, said: str) -> str:
    """Write the page as Markdown: what was equal for all, the summary, and every run."""
    each = frame[list(COLUMNS[:7])].copy()
    each.test_error = (100.0 * each.test_error).map("{:.2f} %".format)
    for name, digits in (("seconds_total", 1), ("epochs_total", 1)):
        each[name] = each[name].map(f"{{:.{digits}f}}".format)
    return (
        f"# {experiment.experiment}: peers, {tables.equal(experiment)}\n\n{said}\n\n"
        f"{markdown(summary(frame, experiment))}\n\n## Every run\n\n{markdown(each)}\n"
    )


def _spread(values: pd.Series, digits: int) -> str:
    mean, sd = mean_sd(values.to_numpy(dtype=float))
    return f"{mean:,.{digits}f}" + (f" ± {sd:,.{digits}f}" if sd == sd else "")
