"""The stage that reads the images once, and compiles the kernels once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nasflow.config.data import Data
from nasflow.config.reading import parse
from nasflow.data import inventory, split_file
from nasflow.data.listing import listing
from nasflow.network.network import compile_kernels
from nasflow.storage.splits import write_splits


def prepare(*, config: str, out: Path) -> None:
    """Read the source, split it, and write the splits and which image is in which of them.

    It also compiles the kernels, because the seconds of the other stages are counted.

    Args:
        config: the section data as JSON.
        out: folder to write.
    """
    from nasflow.data.datasets import describe, load_splits  # imports what the source needs

    section = parse(Data, json.loads(config), "data")
    splits = load_splits(section)
    facts = describe(splits) | {"listing": listing(section)}
    arrays = {
        "train": (splits.train_images, splits.train_labels),
        "validation": (splits.validation_images, splits.validation_labels),
        "test": (splits.test_images, splits.test_labels),
    }
    write_splits(out, arrays, facts, {"split.csv": split_file.text(splits.table)})
    for line in inventory.lines(facts):
        print(f"nasflow: data: {line}", file=sys.stderr)
    compile_kernels()
