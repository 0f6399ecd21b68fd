"""The points of a stage's records that a tracking server (MLflow) shows.

A curve keeps at most 120 of its rows, evenly spaced, the first and the last among them. A run stays
under 10,000 points, because MLflow's pages are slow with more. Values are taken from the records as
they are, and none is averaged. Null, NaN and infinite values are left out (SQLite would show an
infinity as 1.8e308). A number that is not part of a curve has step 0, which MLflow draws as a bar.

The records do not say when a step ended. The time of a point is therefore
started + seconds * step / steps of its stage.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nasflow.deployment.figures import NAMES
from nasflow.records.particle_table import has_particles, with_share_after
from nasflow.storage.contents import check_sha256
from nasflow.storage.files import read_json
from nasflow.storage.places import NUMBER
from nasflow.storage.tables import read_table

CURVE = 120  # points of a curve, at most
RUN = 9_900  # points of a run, at most
SIBLINGS = ("share_after", "validation_loss", "energy")
KEYS = {"share_after": "share"}  # names of curves, where they differ from the column
CLIMBING = ("train_loss", "validation_loss")
NAMED = 5  # morphisms in the name of a sibling, at most: MLflow has room for short names only
ROUND = {"tau": "tau", "weight": "entropy_weight"}
TRAINING = ("train_loss", "validation_loss", "validation_accuracy", "tau")
NETWORK = ("validation_accuracy", "validation_loss", "parameters", "flops", "conv_layers", *NAMES)
LATENCY = ("latency_float32", "latency_int8")  # milliseconds for one image on one core
TEST = (
    *("test_accuracy", "test_error", "test_loss", "test_accuracy_mirrored", "balanced_accuracy"),
    *LATENCY,
)
EFFORT = ("steps", "epochs", "seconds", "children")
FRONT = (
    *("validation_accuracy", "test_accuracy", "test_accuracy_int8", "parameters", "flops"),
    *("flash_int8", "ram_int8", "latency_int8"),
)
TOTAL = ("search", "final", "total")  # seconds


class Point(NamedTuple):
    """One point of a curve.

    Attributes:
        key: the name of the curve, such as `share/3 widen`.
        value: the recorded value.
        time: milliseconds since 1970.
        step: the step, or in a curve over rounds the number of the round.
    """

    key: str
    value: float
    time: int
    step: int


class StageTime(NamedTuple):
    """Tells when a step of a stage ended, by estimate.

    Attributes:
        started: when the stage began, seconds since 1970.
        seconds: how long the stage took.
        steps: how many steps the stage made.
    """

    started: float
    seconds: float
    steps: int

    def at(self, step: int) -> int:
        """Return started + seconds * step / steps, in ms since 1970; the end where steps is 0."""
        progress = step / self.steps if self.steps else 1.0
        return int(1000 * (self.started + self.seconds * progress))


def stage_time(status: Mapping[str, Any]) -> StageTime:
    """Make the times of a stage from its status.json."""
    return StageTime(status["started"], status["seconds"], status["steps"])


def table(folder: Path, status: Mapping[str, Any], name: str) -> pa.Table:
    """Read a table of a stage, after a check of its sha256 against the stage's status.

    The page checksums of Parquet do not cover the footer of the file; the sha256 does.

    Args:
        folder: the folder of the stage.
        status: the record that names the sha256 of the table, such as status.json.
        name: the file name of the table.

    Raises:
        CorruptFile: if the file is missing, damaged, or not the one that the status names.
    """
    check_sha256(folder / name, status["files"][name])
    return read_table(folder / name)


def of_round(folder: Path) -> list[Point]:
    """Return the points of a round: curves over its steps, and facts about its winner.

    With particles, each sibling has the curves `share`, `validation_loss` (the running average) and
    `energy`, and with NASAGD `phi`, under keys such as `share/3 widen`; the round has tau and the
    entropy weight. Without particles, each network has its training loss and its validation losses.

    Args:
        folder: the folder of the round.
    """
    status = read_json(folder / "status.json")
    particles = table(folder, status, "particles.parquet")
    names = sibling_names(table(folder, status, "architectures.parquet"))
    columns: tuple[str, ...] = CLIMBING
    if has_particles(particles):
        columns, particles = SIBLINGS, with_share_after(particles)
    if columns == SIBLINGS and np.any(particles["phi"].to_numpy()):  # NASAGD
        columns = (*SIBLINGS, "phi")
    most = min(CURVE, RUN // (len(columns) * len(names) + len(ROUND)))
    node = particles["node"].to_numpy()
    time = stage_time(status)
    points = [*_facts(status, NETWORK, 0, time), *_facts(status, EFFORT, 0, time, "effort/")]
    for number, name in names.items():
        rows = particles.filter(pa.array(node == number))
        for column in columns:
            points += _curve(f"{KEYS.get(column, column)}/{name}", rows, column, time, most)
    parent = particles.filter(pa.array(node == 0))
    for column, key in ROUND.items():
        points += _curve(key, parent, column, time, most)
    return points


def of_training(folder: Path) -> list[Point]:
    """Return the points of a training: history.parquet over the steps, and facts without a curve.

    Args:
        folder: the folder of the pretraining or of the final training.
    """
    status = read_json(folder / "status.json")
    history = table(folder, status, "history.parquet")
    time = stage_time(status)
    points = [p for c in TRAINING for p in _curve(c, history, c, time, CURVE)]
    curves = {point.key for point in points}
    facts = [*_facts(status, NETWORK, 0, time), *_facts(status, EFFORT, 0, time, "effort/")]
    return points + [point for point in facts if point.key not in curves]


def of_search(search: Path) -> list[Point]:
    """Return the points of a search, over the number of the round.

    Number 0 is the pretrained network, r is the network after round r, and the number after the
    last round is the network after the final training. The keys of costs, for each round and in
    total, begin with `effort/`.

    Args:
        search: the folder of the search, results/{experiment}/{algorithm}/seed_{seed}.
    """
    points: list[Point] = []
    pretrain, final = search / "pretrain" / "status.json", search / "final" / "status.json"
    metrics = search / "final" / "metrics.json"
    if pretrain.exists():
        status = read_json(pretrain)
        points += _facts(status, NETWORK, 0, stage_time(status))
    last = 0
    for last, path in rounds(search).items():
        status = read_json(path)
        points += _facts(status, NETWORK, last, stage_time(status))
        seen = {"architectures": status["totals"]["architectures"]}
        points += _facts(
            status | seen, ("steps", "seconds", *seen), last, stage_time(status), "effort/"
        )
    if final.exists() and metrics.exists():
        values, time = read_json(metrics), stage_time(read_json(final))
        seconds = {f"seconds_{stage}": values["seconds"][stage] for stage in TOTAL}
        points += _facts(values, NETWORK, last + 1, time)
        points += _facts(values, TEST, 0, time)
        points += _facts(seconds, seconds, 0, time, "effort/")
    return points


def of_front(search: Path) -> list[Point]:
    """Return the points of a front, over the number of the network; 1 is the smallest one.

    Args:
        search: the folder of the search.

    Returns:
        The points; none where the search has no front.
    """
    path = search / "front" / "front.json"
    if not path.exists():
        return []
    time = stage_time(read_json(search / "final" / "status.json"))
    rows = read_json(path)["networks"]
    return [point for row in rows for point in _facts(row, FRONT, row["index"], time, "front/")]


def rounds(search: Path, folder: str = "search") -> dict[int, Path]:
    """Return the paths of status.json of the finished rounds, by number and in order.

    Args:
        search: the folder of the search.
        folder: where the rounds lie in it: `search`, or `prune` for prune rounds.
    """
    found = (search / folder).glob("round_*/status.json")
    named = ((path.parent.name.removeprefix("round_"), path) for path in found)
    return dict(sorted((int(name), path) for name, path in named if is_number(name)))


def is_number(text: str) -> bool:
    """Whether the end of a folder's name, such as `round_12`, is a number as nasflow writes it."""
    return re.fullmatch(NUMBER, text) is not None


def span(search: Path) -> tuple[int, int]:
    """Return when the first finished stage began and the last one ended, in ms since 1970."""
    ends = (search / stage / "status.json" for stage in ("pretrain", "final"))
    paths = [path for path in ends if path.exists()]
    paths += [*rounds(search).values(), *rounds(search, "prune").values()]
    times = [stage_time(read_json(path)) for path in paths]
    return min(t.at(0) for t in times), max(t.at(t.steps) for t in times)


def sibling_names(architectures: pa.Table) -> dict[int, str]:
    """Return a name for each node, such as `0 parent`, `3 widen` or `4 widen deepen`.

    Numbers are padded with zeros, so that the names sort as the numbers do.

    Args:
        architectures: the columns `node` and `morphism` of architectures.parquet.
    """
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
    """Return at most `most` (>= 2) indices of range(count), evenly spaced, with both ends."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _curve(key: str, rows: pa.Table, column: str, time: StageTime, most: int) -> Iterator[Point]:
    steps = rows["step"].to_numpy()
    values = rows[column].to_numpy().astype(np.float64)  # null -> NaN
    finite = np.flatnonzero(np.isfinite(values))
    for i in finite[thinned(len(finite), most)] if len(finite) else ():
        yield Point(key, float(values[i]), time.at(int(steps[i])), int(steps[i]))


def _facts(
    status: Mapping[str, Any], keys: Iterable[str], step: int, time: StageTime, section: str = ""
) -> Iterator[Point]:
    """Make points of the numbers among `keys`, with the time of the end of the stage; MLflow shows
    the names that begin with the same `section` together."""
    for key in keys:
        value = status.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield Point(section + key, float(value), time.at(time.steps), step)
