"""The stage that reads the images once, and compiles the kernels once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from nasflow.config.data import Data
from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.data import inventory, split_file
from nasflow.data.listing import listing
from nasflow.data.prepared import WHOLE, lowered
from nasflow.network.network import compile_kernels
from nasflow.storage.made import beside, kept, made, recorded, write_made_data
from nasflow.storage.splits import read_facts, write_splits


def prepare(*, config: str, out: Path) -> None:
    """Read the source, split it, and write the splits and which image is in which of them.

    It also compiles the kernels, because the seconds of the other stages are counted. At the end it
    checks the batch sizes of the stages that follow, where the workflow tells it the experiment.

    Args:
        config: the section data as JSON.
        out: folder to write.

    Raises:
        ValueError: if the input is unusable, or if a batch size is larger than the images allow.
    """
    section, found = parse(Data, json.loads(config), "data"), None
    wanted = made("prepare", config)
    if not (_listed(section, out) and kept(out / "data.json", wanted)):
        found = _write(section, wanted, out)
    for line in inventory.lines(found) if found else ():
        print(f"nasflow: data: {line}", file=sys.stderr)
    compile_kernels()
    if whole := os.environ.get(WHOLE):
        counts = read_facts(out)["counts"]
        experiment = parse(Experiment, json.loads(whole))
        lowered(experiment, sum(counts["train"]), sum(counts["validation"]))


def _listed(section: Data, out: Path) -> bool:
    """Return True where the pictures are those that are prepared, or are no longer there."""
    found = listing(section)
    if found is None and recorded(out / "data.json") is not None:
        return True
    return (out / "data.json").is_file() and read_facts(out).get("listing") == found


def _write(section: Data, wanted: dict[str, Any], out: Path) -> dict[str, Any]:
    """Read and split the images, and write them; the facts about them are returned."""
    from nasflow.data.datasets import describe, load_splits  # imports what the source needs

    splits = load_splits(section)
    facts = describe(splits) | {"listing": listing(section)}
    arrays = {
        "train": (splits.train_images, splits.train_labels),
        "validation": (splits.validation_images, splits.validation_labels),
        "test": (splits.test_images, splits.test_labels),
    }
    with beside(out, "data.json") as new:
        write_splits(new, arrays, facts, {"split.csv": split_file.text(splits.table)})
        write_made_data(new, wanted)
    return facts
