"""The stage that measures the networks of a front where they will run, and compares them.

All networks are measured in one process, one after the other, so that their latencies can be
compared. They run on one core of this machine, in float32 and in int8.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nasflow.command.eight_bits import Samples, eight_bits, measured
from nasflow.command.formats import ONNX, message
from nasflow.command.standalone_pictures import FILTER
from nasflow.data.calibration import calibration
from nasflow.data.image_facts import image_facts
from nasflow.deployment.deployable import Deployable
from nasflow.search.front import on_front
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import CorruptFile, read_json, write, write_json
from nasflow.storage.made import beside
from nasflow.storage.splits import read_facts, read_split, sizes
from nasflow.storage.surroundings import surroundings
from nasflow.training.batches import Split
from nasflow.training.process import one_thread

Json = dict[str, Any]
TABLE = "front.csv"
COSTS = ("parameters", "flops", "flash_int8", "ram_int8", "latency_int8")
MEASURED = (
    *("validation_accuracy_int8", "test_accuracy_int8"),
    *("latency_float32", "latency_int8", "file_float32", "file_int8"),
)
TOLD = ("validation_accuracy", "validation_loss", "test_accuracy", "final_epochs")


def measure_front(*, data: Path, plan: Path, out: Path) -> None:
    """Measure latency, size of the file and accuracy in int8, and write front.json and front.csv.

    Validation accuracy decides which networks are on the front, never the test set.

    Args:
        data: folder of the prepared images.
        plan: plan.json of the front; every network of it is trained and evaluated.
        out: front.json to write; front.csv is written beside it.

    Raises:
        CorruptFile: if a network is another one than the plan says.
    """
    rows = [_row(row, plan.parent.parent) for row in read_json(plan)["networks"]]
    stems = [plan.parent.parent / row["folder"] / "network" for row in rows]
    for row, found in zip(rows, _measured(data, stems), strict=True):
        row |= found
    for cost in COSTS:
        own = on_front(
            [row["validation_accuracy"] for row in rows], [row.get(cost) for row in rows]
        )
        for row, on in zip(rows, own, strict=True):
            row.setdefault("on_front", {})[cost] = on
    search = read_json(plan.parents[1] / "search/summary.json")
    counts = sizes(data)
    front = {
        "schema": 1,
        "algorithm": search["algorithm"],
        "seed": read_json(plan.parents[1] / "final/status.json")["seed"],
        "images": {name: counts[name] for name in ("validation", "test")},
        "networks": rows,
        "machine": surroundings("cpu"),
    }
    with beside(out.parent, out.name) as new:
        files = {TABLE: write(new / TABLE, table(rows).encode())}
        write_json(new / out.name, front | {"files": files})


def _row(row: Json, search: Path) -> Json:
    """Add to a row of the plan what the training and the test of the network tell.

    Args:
        row: the row of plan.json.
        search: the folder of the search.
    """
    folder = "final" if row["found"] else f"front/network_{row['index']}"
    metrics = read_json(search / folder / "metrics.json")
    if metrics["fingerprint"] != row["fingerprint"]:
        raise CorruptFile(
            f"{search / folder / 'metrics.json'}: of another network than front/plan.json says; "
            "rerun the stage that writes it"
        )
    told = {key: metrics[key] for key in TOLD}
    return {**row, "folder": folder, **told, "seconds": metrics["seconds"]["final"]}


def _measured(data: Path, stems: Sequence[Path]) -> list[Json]:
    """Measure networks, one after the other; what cannot be measured here is None."""
    nothing: Json = dict.fromkeys(MEASURED)
    if missing := [name for name in ONNX if not importlib.util.find_spec(name)]:
        print(
            f"nasflow: front: {' and '.join(missing)} not installed; latencies, files and accuracy "
            f"in int8 are left out; pip install {' '.join(missing)}",
            file=sys.stderr,
        )
        return [nothing for _ in stems]
    with one_thread():
        facts = image_facts(read_facts(data))
        validation, test = (read_split(data, name, "cpu") for name in ("validation", "test"))
        samples = Samples(calibration(data), test, "test")
        networks = (Deployable(read_checkpoint(stem).network, facts) for stem in stems)
        return [_of_network(network, facts, samples, validation) for network in networks]


def _of_network(module: Deployable, facts: Json, samples: Samples, validation: Split) -> Json:
    """Measure the files that `nasflow export --to onnx` writes of a network, with and without
    `--int8`.

    Args:
        module: the trained network.
        facts: the content of images.json.
        samples: the images for calibration, and the test images.
        validation: the validation images.
    """
    plain = message(module, facts | {"resize": FILTER}, uint8=False)
    done = eight_bits(plain, samples, uint8=False)
    return {
        "validation_accuracy_int8": measured(done.model, validation, uint8=False).accuracy,
        "test_accuracy_int8": done.int8.accuracy,
        "latency_float32": done.float32.milliseconds,
        "latency_int8": done.int8.milliseconds,
        "file_float32": done.float32.size,
        "file_int8": done.int8.size,
    }


def table(rows: Sequence[Json]) -> str:
    """Write the networks of a front as CSV, one line for each; what is not known stays empty."""
    flat = [{**row, **{f"on_front_{k}": v for k, v in row["on_front"].items()}} for row in rows]
    names = [name for name in flat[0] if name != "on_front"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in flat)
    return text.getvalue()


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value
