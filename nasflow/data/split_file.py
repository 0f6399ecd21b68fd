"""split.csv: which image is in which split, to be looked up, and to be split by again.

Columns image, class, split; the images of train, then of validation, then of test, each in the
order of its tensor, so row i of a split is image i of its file. An image is called by its file as
the configuration leads to it (`photos/cat/1.png`), or by file and row of a Parquet file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nasflow.printable import printable, shown

SPLITS = ("train", "validation", "test")
COLUMNS = ("image", "class", "split")
Rows = Sequence[tuple[str, str]]  # image, class


def text(splits: Mapping[str, Rows]) -> bytes:
    """The file's content."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for split, rows in splits.items():
        writer.writerows((image, name, split) for image, name in rows)
    return stream.getvalue().encode()


def told(path: str, images: Sequence[str], elsewhere: Sequence[str]) -> npt.NDArray[np.str_]:
    """What the file says of each image, (n,). It must list all of them and none but them and those
    of parts that stand `elsewhere` (data.validation, data.test)."""
    where = f"data.split: {shown(path)}"
    split = _read(path, where)
    missing = [image for image in images if image not in split]
    if missing:
        raise ValueError(
            f"{where}: {_some(missing)} not listed; expected every image of data.train, called as"
            " data.train leads to it; add them"
        )
    unknown = sorted(split.keys() - set(images) - set(elsewhere))
    if unknown:
        raise ValueError(f"{where}: {_some(unknown)} listed but not there; remove the lines")
    return np.array([split[image] for image in images])


def _read(path: str, where: str) -> dict[str, str]:
    """image -> split; spreadsheets' byte order mark is allowed."""
    if not Path(path).is_file():
        raise ValueError(f"{where} is no file; expected a CSV with the columns image and split")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            names = reader.fieldnames or []
            if not {"image", "split"} <= set(names):
                raise ValueError(
                    f"{where}: columns {printable(', '.join(names)) or 'none'};"
                    " expected image and split"
                )
            rows = [(reader.line_num, row["image"], row["split"]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{where}: no CSV in UTF-8 ({error}); save it as one") from error
    split: dict[str, str] = {}
    for line, image, name in rows:
        if name not in SPLITS:
            raise ValueError(
                f"{where}, line {line}: split {shown(name)}; expected {', '.join(SPLITS)}"
            )
        if image in split:
            raise ValueError(f"{where}, line {line}: {shown(image)} once more; remove a line")
        split[image] = name
    return split


def _some(images: Sequence[str]) -> str:
    more = f" and {len(images) - 1} more are" if len(images) > 1 else " is"
    return f"{shown(images[0])}{more}"
