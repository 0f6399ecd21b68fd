"""The stage that reads the images once, and compiles the kernels once.

torch alone takes some 500 MB. It is loaded when the images are written and no longer in memory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nasflow.config.data import Data
from nasflow.config.reading import parse
from nasflow.data import inventory, split_file
from nasflow.data.datasets import describe, load_splits
from nasflow.data.listing import listing
from nasflow.storage.split_files import write_splits


def prepare(*, config: str, out: Path) -> None:
    """Read the source, split it, and write the splits and which image is in which of them.

    It also compiles the kernels, because the seconds of the other stages are counted.

    Args:
        config: the section data as JSON.
        out: folder to write.
    """
    _write(parse(Data, json.loads(config), "data"), out)
    from nasflow.network.network import compile_kernels  # loads torch, as the module says

    compile_kernels()


def _write(section: Data, out: Path) -> None:
    """Write the files of the data; afterwards no image is in memory."""
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
