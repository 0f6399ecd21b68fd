"""The front of a search: the networks that were trained to the end, from small to large.

The file SEARCH/front/front.json lists them. A search with `final.front: 1` has no such file; the
network that it found then stands for itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nasflow.config.kinds import Stored
from nasflow.storage.contents import verified
from nasflow.storage.files import LARGEST, CorruptFile, read_json
from nasflow.storage.record import Record

Json = Mapping[str, Any]
STORED = ("flash", "ram", "latency")  # costs that depend on the number format of the network
# What a network costs, from the first to the last column of every table, with its unit.
COSTS = {
    "parameters": "",
    "flops": "",
    "flash": "bytes",
    "ram": "bytes",
    "latency": "ms",
}
TABLE = "front.csv"
MEASURED = (
    *("flash_int8", "flash_float32", "ram_int8", "ram_float32", "latency_int8", "latency_float32"),
    *("file_int8", "file_float32", "test_accuracy", "test_accuracy_int8"),
    "validation_accuracy_int8",
)


class Network(NamedTuple):
    """A network that was trained to the end. None stands for what was not measured.

    Attributes:
        search: the folder of its search.
        folder: the folder of its own files, which `nasflow export` takes.
        number: its number in the front, from 1 for the smallest.
        name: its name in the front, such as `prune 2`.
        source: where the search got it, such as `prune/round_2/winner`.
        found: whether it is the network that the search ended with.
        validation_accuracy: between 0 and 1, in float32.
        parameters: how many numbers it learned.
        flops: FLOPs for one image.
        flash_int8: bytes of its weights in eight bits, BatchNorm folded into the convolutions.
        flash_float32: the same in float32.
        ram_int8: bytes that the maps of one image need at once, in eight bits.
        ram_float32: the same in float32.
        latency_int8: milliseconds for one image on one core, in eight bits.
        latency_float32: the same in float32.
        file_int8: bytes of its ONNX file in eight bits.
        file_float32: the same in float32.
        test_accuracy: between 0 and 1, in float32; no choice goes by it.
        test_accuracy_int8: the same of the ONNX file in eight bits.
        validation_accuracy_int8: validation accuracy of the ONNX file in eight bits.
    """

    search: Path
    folder: Path
    number: int
    name: str
    source: str
    found: bool
    validation_accuracy: float
    parameters: int
    flops: int
    flash_int8: int | None
    flash_float32: int | None
    ram_int8: int | None
    ram_float32: int | None
    latency_int8: float | None
    latency_float32: float | None
    file_int8: int | None
    file_float32: int | None
    test_accuracy: float | None
    test_accuracy_int8: float | None
    validation_accuracy_int8: float | None = None

    def accuracy(self, stored: Stored) -> float:
        """Return the validation accuracy in a number format, by which `nasflow pick` chooses.

        Where it was not measured in int8, it is that in float32.
        """
        small = self.validation_accuracy_int8
        return small if stored is Stored.INT8 and small is not None else self.validation_accuracy

    def cost(self, name: str, stored: Stored) -> float | None:
        """Return a cost by its key in COSTS, in the given number format."""
        value: float | None = getattr(self, f"{name}_{stored}" if name in STORED else name)
        return value

    def size(self, stored: Stored) -> tuple[float, int, int]:
        """Return what tells which of two networks is smaller: flash, then parameters, then FLOPs.

        Where the bytes of flash are not known, the parameters take their place.
        """
        flash = self.cost("flash", stored)
        return (self.parameters if flash is None else flash, self.parameters, self.flops)


class Front(NamedTuple):
    """The trained networks of one search.

    Attributes:
        search: the folder of the search.
        validation_images: how many images the validation accuracies were measured on.
        test_images: how many images the test accuracies were measured on.
        networks: the networks, from the smallest to the largest.
    """

    search: Path
    validation_images: int | None
    test_images: int | None
    networks: tuple[Network, ...]


def path_of(search: Path) -> Path:
    """Return the place of the front.json of a search."""
    return search / "front/front.json"


def front(search: Path) -> Front | None:
    """Read the front of a search.

    Args:
        search: the folder of the search, such as results/digits/nasgd/seed_0.

    Returns:
        The front; None where the search has none, or has not finished it.

    Raises:
        CorruptFile: if the record is damaged, lacks a key, or is older than final/metrics.json.
    """
    path = path_of(search)
    if not os.path.lexists(path):
        return None
    record = read_json(path)
    networks = tuple(_network(search, row) for row in record["networks"])
    if len({network.folder for network in networks}) < len(networks):
        raise CorruptFile(f"{path}: two networks in one folder; rerun the stage that writes it")
    _check_age(path, search / "final/metrics.json", record["networks"])
    images = record.get("images", {})
    return Front(search, images.get("validation"), images.get("test"), networks)


def table(search: Path) -> bytes:
    """Read front.csv of a search, which has the figures of its front.json as a table.

    Args:
        search: the folder of a search that has a front.

    Raises:
        CorruptFile: if a file is missing or damaged, or the table is not that of the front.
    """
    path = path_of(search)
    return verified(path.with_name(TABLE), read_json(path)["files"][TABLE], LARGEST)


def found_network(search: Path) -> Front | None:
    """Read the network that a search found as a front of one network.

    Args:
        search: the folder of the search.

    Returns:
        The front; None where the final training has not been evaluated, or has no validation
        accuracy.

    Raises:
        CorruptFile: if the record is damaged or lacks a key.
    """
    path = search / "final/metrics.json"
    if not os.path.lexists(path):
        return None
    record = read_json(path)
    if record["validation_accuracy"] is None:
        return None
    own = {"index": 1, "name": "found", "source": "search/winner", "folder": "final", "found": True}
    network = _network(search, Record(path, {**record, **own}))
    return Front(search, None, record.get("test_images"), (network,))


def _network(search: Path, row: Json) -> Network:
    return Network(
        search,
        search / row["folder"],
        row["index"],
        row["name"],
        row.get("source", ""),
        row.get("found", False),
        row["validation_accuracy"],
        row["parameters"],
        row["flops"],
        **{key: row.get(key) for key in MEASURED},
    )


def _check_age(path: Path, metrics: Path, rows: list[Json]) -> None:
    """Raise CorruptFile where the found network has been trained again since the front was made."""
    found = next((row for row in rows if row.get("found")), None)
    if found is None or not os.path.lexists(metrics):
        return
    now = read_json(metrics)
    for key in ("fingerprint", "validation_accuracy", "test_accuracy"):
        if key in found and key in now and found[key] != now[key]:
            raise CorruptFile(
                f"{path}: {key} of the found network is not that of final/metrics.json, which is "
                "newer; run the workflow again, or delete the folder front"
            )
