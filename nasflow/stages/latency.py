"""The command `latency`: measure how long networks take on this machine, once.

The pipeline calls it where `search.constraints.max_latency` or `search.latency_weight` is set. The
table lies beside the prepared images, as `latency/table.json`, and is an input of every round: a
round that is computed again reads the same table.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Stored
from nasflow.config.reading import parse
from nasflow.config.search import Constraints, Search
from nasflow.data.first_network import check_bounds
from nasflow.data.prepared import WHOLE
from nasflow.deployment.latency_table import TOLERATED, LatencyTable, table_of
from nasflow.deployment.runtime import check_runtime, missing
from nasflow.network.network import Network
from nasflow.printable import printable, shown
from nasflow.stages.finished_round import latency_file
from nasflow.storage.files import read_json, write_json
from nasflow.storage.made import MADE, kept, made
from nasflow.storage.splits import read_facts
from nasflow.storage.surroundings import surroundings

TABLE = "latency_table"  # the kind of the record, and the name of the rule
CLASSES = 10  # of the measured networks, where no images are given


def latency(
    *,
    out: Path,
    precision: str | None = None,
    channels: int | None = None,
    size: int | None = None,
    data: Path | None = None,
    table: Path | None = None,
) -> None:
    """Measure this machine, and write the table and how well it predicts.

    Args:
        out: the file to write.
        precision: float32 or int8; int8 where it is left out.
        channels: channels of an image; 3 where it is left out.
        size: pixels per side of an image; 32 where it is left out.
        data: folder of prepared images, which says the shape in the place of the two.
        table: a table of another machine, which is checked and copied; nothing is measured.

    Raises:
        ValueError: if an argument is wrong, onnxruntime is missing, the machine is too busy for a
            measurement, or, in the workflow, a search begins with a network above `max_latency`.
    """
    stored = _precision(precision)
    image, classes = _shape(channels, size, data)
    config, inputs = json.dumps({"precision": stored.value}), [table] if table else []
    wanted = made(TABLE, config, inputs, image=list(image), classes=classes)
    if kept(out, wanted):
        return
    if table is not None:
        given = _record(table)
        fitting(table_of(given), table, stored, image)
        record = {name: given[name] for name in given if name != MADE}
    else:
        record = _measured(stored, image, classes)
    write_json(out, record | {"files": {}, MADE: wanted})
    print(f"nasflow: {printable(str(out))}: {described(record)}", file=sys.stderr)
    if whole := os.environ.get(WHOLE):
        check_bounds(parse(Experiment, json.loads(whole)), image, classes, table_of(record))


def _precision(name: str | None) -> Stored:
    if name is None:
        return Stored.INT8
    if name not in set(Stored):
        raise ValueError(f"--precision: {shown(name)}; expected one of {', '.join(Stored)}")
    return Stored(name)


def _shape(
    channels: int | None, size: int | None, data: Path | None
) -> tuple[tuple[int, int, int], int]:
    """Return (channels, height, width) and the number of classes."""
    if data is not None:
        if channels is not None or size is not None:
            raise ValueError(
                "--data: it says the shape of the images; leave out --channels, --size"
            )
        facts = read_facts(data)
        return (facts["channels"], facts["height"], facts["width"]), len(facts["classes"])
    for name, value, most in (("channels", channels, 64), ("size", size, 512)):
        if value is not None and not 1 <= value <= most:
            raise ValueError(f"--{name}: {value}; expected 1 to {most}")
    side = 32 if size is None else size
    return (3 if channels is None else channels, side, side), CLASSES


def _measured(stored: Stored, image: tuple[int, int, int], classes: int) -> dict[str, Any]:
    """Measure networks, and return the record of the table."""
    check_runtime("latency")
    import onnxruntime

    from nasflow.deployment.latency_fit import measure

    began = time.monotonic()
    found = measure(image, classes, stored)
    machine = surroundings("cpu") | {"onnxruntime": onnxruntime.__version__}
    entry = {"schema": 1, **found.entry()}
    return entry | {"seconds": time.monotonic() - began, "machine": machine}


def described(record: dict[str, Any]) -> str:
    """Say in one line what a table is for, and how well it predicts."""
    check, (channels, height, width) = record["check"], record["image"]
    return (
        f"{record['precision']}, images of {channels} x {height} x {width}; over "
        f"{check['networks']} networks that the fit has not seen the error of a prediction is "
        f"{check['median']:.1%} (median), {check['ninth']:.1%} (90th percentile), and at most "
        f"{TOLERATED:.0%} for {check['within']:.0%} of them"
    )


def fitting(
    table: LatencyTable, file: Path, precision: Stored, image: tuple[int, int, int]
) -> LatencyTable:
    """Return a table, or raise ValueError where it is for other networks or images.

    Args:
        table: the table.
        file: the file that holds it, for the message.
        precision: `search.constraints.precision`.
        image: (channels, height, width) of the images.
    """
    if table.precision != precision:
        raise ValueError(
            f"{file}: measured in {table.precision}; search.constraints.precision is {precision}: "
            f"measure it again with `nasflow latency --precision {precision}`"
        )
    if table.image != image:
        own, other = (" x ".join(map(str, shape)) for shape in (table.image, image))
        raise ValueError(
            f"{file}: measured with images of {own}; those of the experiment are {other}: measure "
            "it again with `nasflow latency --data` and the folder of the prepared images"
        )
    return table


def table_of_experiment(search: Search, data: Path) -> LatencyTable | None:
    """Return the table that rounds read; None where they need none.

    Args:
        search: the section of the round.
        data: folder of the prepared images, beside which the table lies.

    Raises:
        CorruptFile: if the table is missing or damaged.
        ValueError: if it is for other networks or images.
    """
    if not search.timed:
        return None
    file, facts = latency_file(data), read_facts(data)
    image = facts["channels"], facts["height"], facts["width"]
    return fitting(table_of(_record(file)), file, search.constraints.precision, image)


def given_table(search: Search, image: tuple[int, int, int], classes: int) -> LatencyTable | None:
    """Return the table of a search in memory; None where it needs none.

    Args:
        search: the section of the search.
        image: (channels, height, width) of its images.
        classes: the number of its classes.

    Raises:
        CorruptFile: if `latency_table` names a file that is missing or damaged.
        ValueError: if that table is for other networks or images, onnxruntime is missing, or the
            machine is too busy for a measurement.
    """
    if not search.timed:
        return None
    stored, name = search.constraints.precision, search.constraints.latency_table
    if name is None:
        return table_of(_measured(stored, image, classes))
    return fitting(table_of(_record(Path(name))), Path(name), stored, image)


def table_beside(data: Path) -> LatencyTable | None:
    """Return the table of an experiment; None where it has none.

    Args:
        data: folder of the prepared images, beside which the table lies.

    Raises:
        CorruptFile: if the table is damaged.
    """
    file = latency_file(data)
    return table_of(_record(file)) if file.exists() else None


def fits(table: LatencyTable | None, bounds: Constraints) -> bool:
    """Tell whether a table holds for the precision of the bounds."""
    return table is not None and table.precision == bounds.precision


def winner_latency(network: Network, table: LatencyTable | None) -> dict[str, Any]:
    """Measure how long a network takes for one image on one core, through onnxruntime.

    Args:
        network: the network, on the CPU.
        table: the table of latencies, where there is one.

    Returns:
        `latency_float32` and `latency_int8` in milliseconds, None where onnxruntime is missing; and
        `latency_predicted`, what the table predicts, by its precision.
    """
    predicted = {table.precision.value: table.milliseconds(network.architecture)} if table else {}
    told: dict[str, Any] = {"latency_predicted": predicted} if table else {}
    if missing():
        return {f"latency_{precision}": None for precision in Stored} | told
    from nasflow.deployment.latency_measurement import measured

    times = {f"latency_{p}": float(measured([network], p)[0]) for p in Stored}
    return times | told


def _record(file: Path) -> dict[str, Any]:
    """Read and check the record of a table."""
    record: dict[str, Any] = read_json(file, TABLE)
    return record
