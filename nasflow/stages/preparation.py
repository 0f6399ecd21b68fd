"""The images, read once, and the kernels, compiled once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nasflow.config.experiment import Data, parse
from nasflow.data import inventory, split_file
from nasflow.data.listing import listing
from nasflow.network.network import compile_kernels
from nasflow.storage.splits import write_splits


def prepare(*, config: str, out: Path) -> None:
    """Read the source, split it, write the three splits and which image is in which; compile the
    kernels, so that no stage whose seconds count does."""
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
