"""The stage that reads the images once, and compiles the kernels once.

torch alone takes some 500 MB. It is loaded when the images are written and no longer in memory.
"""

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
from nasflow.data.datasets import describe, load_splits
from nasflow.data.listing import listing
from nasflow.data.prepared import WHOLE, check_prepared
from nasflow.storage.files import read_json
from nasflow.storage.made import beside, kept, made, recorded, write_made_data
from nasflow.storage.split_files import write_splits


def prepare(*, config: str, out: Path) -> None:
    """Read the source, split it, and write the splits and which image is in which of them.

    It also compiles the kernels, because the seconds of the other stages are counted. At the end it
    checks the batch sizes of the stages that follow, where the workflow tells it the experiment.

    Args:
        config: the section data as JSON.
        out: folder to write.

    Raises:
        ValueError: if the input is unusable, or if the images do not allow a batch size or the
            base network.
    """
    section, wanted = parse(Data, json.loads(config), "data"), made("prepare", config)
    if not (_listed(section, out) and kept(out / "data.json", wanted)):
        _write(section, wanted, out)
    from nasflow.network.network import compile_kernels  # loads torch, as the module says

    compile_kernels()
    if whole := os.environ.get(WHOLE):
        check_prepared(parse(Experiment, json.loads(whole)), read_json(out / "data.json"))


def _listed(section: Data, out: Path) -> bool:
    """Return True where the pictures are those that are prepared, or are no longer there."""
    found = listing(section)
    if found is None and recorded(out / "data.json") is not None:
        return True
    return (out / "data.json").is_file() and read_json(out / "data.json").get("listing") == found


def _write(section: Data, wanted: dict[str, Any], out: Path) -> None:
    """Write the files of the data; afterwards no image is in memory."""
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
    for line in inventory.lines(facts):
        print(f"nasflow: data: {line}", file=sys.stderr)
