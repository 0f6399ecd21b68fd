"""The points of a stage's records that a tracking server shows.

A curve keeps at most 120 of its rows, evenly spaced, the first and the last among them, and a run
stays under 10,000 points (MLflow's pages get slow beyond). Values are the records' own, none is
averaged; null, NaN and infinite ones are left out (SQLite would show an infinity as 1.8e308). A
number that is no curve has step 0, which MLflow draws as a bar. The time of a point is
started + seconds * step / steps of the stage: the records hold no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nasflow.storage.files import read_json, verified
from nasflow.storage.tables import read_table

CURVE = 120
RUN = 9_900
SIBLINGS = ("share", "validation_loss", "energy")
CLIMBING = ("train_loss", "validation_loss")
NAMED = 5  # morphisms in the name of a sibling; MLflow's names are short
ROUND = {"tau": "tau", "weight": "entropy_weight"}
TRAINING = ("train_loss", "validation_loss", "validation_accuracy", "tau")
NETWORK = ("validation_accuracy", "validation_loss", "parameters", "flops", "conv_layers")
TEST = ("test_accuracy", "test_error", "test_loss", "test_accuracy_mirrored", "balanced_accuracy")
EFFORT = ("steps", "epochs", "seconds", "children")
TOTAL = ("search", "final", "total")  # seconds


class Point(NamedTuple):
    key: str
    value: float
    time: int  # ms since 1970
    step: int


class Clock(NamedTuple):
    """started + seconds * step / steps, in ms."""

    started: float
    seconds: float
    steps: int

    def at(self, step: int) -> int:
        share = step / self.steps if self.steps else 1.0
        return int(1000 * (self.started + self.seconds * share))


def clock(status: Mapping[str, Any]) -> Clock:
    return Clock(status["started"], status["seconds"], status["steps"])


def table(folder: Path, status: Mapping[str, Any], name: str) -> pa.Table:
    """A table of a stage, once it is the one that the stage's status names: page checksums do not
    cover the footer."""
    verified(folder / name, status["files"][name])
    return read_table(folder / name)


def of_round(folder: Path) -> list[Point]:
    """Share, running validation loss and energy (with NASAGD phi) of every sibling, such as
    `share/3 widen`, over the steps of the round; tau and the entropy weight; the winner's facts.
    Without particles: training losses, and what the networks were judged by."""
    status = read_json(folder / "status.json")
    particles = table(folder, status, "particles.parquet")
    names = sibling_names(table(folder, status, "architectures.parquet"))
    columns: tuple[str, ...] = SIBLINGS if particles["count"].null_count == 0 else CLIMBING
    if columns == SIBLINGS and np.any(particles["phi"].to_numpy()):  # NASAGD
        columns = (*SIBLINGS, "phi")
    most = min(CURVE, RUN // (len(columns) * len(names) + len(ROUND)))
    node = particles["node"].to_numpy()
    time = clock(status)
    points = [*_facts(status, NETWORK, 0, time), *_facts(status, EFFORT, 0, time, "effort/")]
    for number, name in names.items():
        rows = particles.filter(pa.array(node == number))
        for column in columns:
            points += _curve(f"{column}/{name}", rows, column, time, most)
    parent = particles.filter(pa.array(node == 0))
    for column, key in ROUND.items():
        points += _curve(key, parent, column, time, most)
    return points


def of_training(folder: Path) -> list[Point]:
    """The columns of history.parquet over the steps, and the facts that are no curve."""
    status = read_json(folder / "status.json")
    history = table(folder, status, "history.parquet")
    time = clock(status)
    points = [p for c in TRAINING for p in _curve(c, history, c, time, CURVE)]
    curves = {point.key for point in points}
    facts = [*_facts(status, NETWORK, 0, time), *_facts(status, EFFORT, 0, time, "effort/")]
    return points + [point for point in facts if point.key not in curves]


def of_search(search: Path) -> list[Point]:
    """One search over the number of the round: 0 is the pre-trained network, r the winner of round
    r, and the number after the last round the trained winner. What it cost, by round and in all,
    stands apart, as `effort/...`."""
    points: list[Point] = []
    pretrain, final = search / "pretrain" / "status.json", search / "final" / "status.json"
    metrics = search / "final" / "metrics.json"
    if pretrain.exists():
        status = read_json(pretrain)
        points += _facts(status, NETWORK, 0, clock(status))
    last = 0
    for last, path in rounds(search).items():
        status = read_json(path)
        points += _facts(status, NETWORK, last, clock(status))
        seen = {"architectures": status["totals"]["architectures"]}
        points += _facts(status | seen, ("steps", "seconds", *seen), last, clock(status), "effort/")
    if final.exists() and metrics.exists():
        values, time = read_json(metrics), clock(read_json(final))
        seconds = {f"seconds_{stage}": values["seconds"][stage] for stage in TOTAL}
        points += _facts(values, NETWORK, last + 1, time)
        points += _facts(values, TEST, 0, time)
        points += _facts(seconds, seconds, 0, time, "effort/")
    return points


def rounds(search: Path) -> dict[int, Path]:
    """Number -> status.json of the finished rounds, in order."""
    found = (search / "search").glob("round_*/status.json")
    return dict(sorted((int(path.parent.name.removeprefix("round_")), path) for path in found))


def span(search: Path) -> tuple[int, int]:
    """Begin of the first and end of the last finished stage of a search, in ms."""
    names = ("pretrain/status.json", "search/round_*/status.json", "final/status.json")
    clocks = [clock(read_json(path)) for name in names for path in search.glob(name)]
    return min(c.at(0) for c in clocks), max(c.at(c.steps) for c in clocks)


def sibling_names(architectures: pa.Table) -> dict[int, str]:
    """Node -> `0 parent`, `3 widen`, `4 widen deepen`; numbers padded so that names sort as numbers
    do."""
    nodes, morphisms = (architectures[c].to_pylist() for c in ("node", "morphism"))
    width = len(str(max(nodes)))
    return {
        n: f"{n:0{width}d} {_spoken(morphism) or 'parent'}"
        for n, morphism in zip(nodes, morphisms, strict=True)
    }


def _spoken(morphism: str) -> str:
    names = morphism.split("+")
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return " ".join(names[:NAMED]) + more


def thinned(count: int, most: int) -> npt.NDArray[np.int64]:
    """At most `most` (>= 2) indices of range(count), evenly spaced, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _curve(key: str, rows: pa.Table, column: str, time: Clock, most: int) -> Iterator[Point]:
    steps = rows["step"].to_numpy()
    values = rows[column].to_numpy().astype(np.float64)  # null -> NaN
    finite = np.flatnonzero(np.isfinite(values))
    for i in finite[thinned(len(finite), most)] if len(finite) else ():
        yield Point(key, float(values[i]), time.at(int(steps[i])), int(steps[i]))


def _facts(
    status: Mapping[str, Any], keys: Iterable[str], step: int, time: Clock, section: str = ""
) -> Iterator[Point]:
    """The numbers among `keys`, dated to the end of the stage; names begin with `section`, under
    which MLflow shows them together."""
    for key in keys:
        value = status.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield Point(section + key, float(value), time.at(time.steps), step)
