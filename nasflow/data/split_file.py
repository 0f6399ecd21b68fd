"""split.csv tells which image is in which split. It can be read back to split in the same way.

The columns are image, class and split. The images of train come first, then those of validation,
then those of test. Within a split they have the order of its tensor, so that row i of a split is
image i of its .safetensors file. The name of an image is the path of its file, as the paths of the
configuration give it (`photos/cat/1.png`), or the path and the row of a Parquet file.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nasflow.data import class_names
from nasflow.printable import printable, shown

SPLITS = ("train", "validation", "test")
COLUMNS = ("image", "class", "split")
Rows = Sequence[tuple[str, str]]  # for each image: its name and its class


def text(splits: Mapping[str, Rows]) -> bytes:
    """Make the content of a split.csv.

    Args:
        splits: maps the name of each split, in the order train, validation, test, to its rows.

    Returns:
        The content of the file, in UTF-8.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    quoting = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for split, rows in splits.items():
        for image, name in rows:
            # Python's writer does not quote "\r", at which its reader would end the line.
            (quoting if "\r" in image + name else writer).writerow((image, name, split))
    return stream.getvalue().encode()


def told(path: str, images: Sequence[str], elsewhere: Sequence[str]) -> npt.NDArray[np.str_]:
    """Read from a file which split each image is in.

    The file must list every image. It may also list images of the other parts, and no others. A
    name may be in another Unicode form than that of the image.

    Args:
        path: a CSV file with the columns image and split, as data.split names it.
        images: the names of the n images of data.train.
        elsewhere: the names of the images of data.validation and data.test.

    Returns:
        The name of the split of each image, (n,).

    Raises:
        ValueError: if the file is not such a CSV, misses an image, lists one twice or lists an
            unknown one.
    """
    where = f"data.split: {shown(path)}"
    split = _in_forms(_read(path, where), [*images, *elsewhere])
    missing = [image for image in images if image not in split]
    if missing:
        raise ValueError(
            f"{where}: {_some(missing)} not listed; expected every image of data.train, with the"
            " path that data.train gives it, such as photos/cat/1.png; add them"
        )
    unknown = sorted(split.keys() - set(images) - set(elsewhere))
    if unknown:
        raise ValueError(f"{where}: {_some(unknown)} listed but not there; remove the lines")
    return np.array([split[image] for image in images])


def _read(path: str, where: str) -> dict[str, str]:
    """Map each image to its split. A byte order mark, which spreadsheets write, is allowed."""
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
    return _unique(rows, where)


def _in_forms(split: dict[str, str], images: Sequence[str]) -> dict[str, str]:
    """Rename what the file lists in another Unicode form, where it is clear which image is meant.

    An image that is listed as it is called keeps its name.
    """
    if all(map(str.isascii, split)):
        return split
    forms = Counter(map(class_names.key, split))
    called = {class_names.key(image): image for image in images if image not in split}
    return {
        called.get(class_names.key(name), name) if forms[class_names.key(name)] == 1 else name: part
        for name, part in split.items()
    }


def _unique(rows: Sequence[tuple[int, str, str]], where: str) -> dict[str, str]:
    """Map each image to its split, from rows of (line, image, split); no image may come twice."""
    split: dict[str, str] = {}
    for line, image, name in rows:
        if name not in SPLITS:
            raise ValueError(
                f"{where}, line {line}: split {shown(name)}; expected {', '.join(SPLITS)}"
            )
        if not image:
            raise ValueError(f"{where}, line {line}: no image; expected its name; remove the line")
        if image in split:
            raise ValueError(
                f"{where}, line {line}: {shown(image)} is listed once more; remove one of its lines"
            )
        split[image] = name
    return split


def _some(images: Sequence[str]) -> str:
    """The first image and the number of the others, with the verb, for a message."""
    more = f" and {len(images) - 1} more are" if len(images) > 1 else " is"
    return f"{shown(images[0])}{more}"
