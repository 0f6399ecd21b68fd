"""Labelled pictures on disk that are not decoded yet: folders of class folders, and Parquet files.

The pictures are in the order of their sorted names, which no file system changes. Wrong input is a
ValueError of one line with the key of the configuration, the file, the column or the row (from 0),
what was found, and a remedy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.data import pictures, walk
from nasflow.printable import printable, shown

IMAGE_COLUMNS = ("image", "img", "image.bytes", "img.bytes")
UNPACKED = 1_000_000_000  # bytes of the columns of a Parquet file in memory; see _table
BATCH = 128  # rows of a Parquet file that are read at once
LABEL_COLUMNS = ("label", "labels", "fine_label")


class Encoded(NamedTuple):
    """Pictures that are not decoded yet, with their labels.

    Attributes:
        names: the name of each picture, for messages.
        contents: each picture, as its encoded bytes or as the path of its file.
        labels: the labels as they were found, (n,); they have not been checked.
        classes: the names of the classes, or None when the source has none.
    """

    names: list[str]
    contents: list[bytes | Path]
    labels: npt.NDArray[Any]
    classes: tuple[str, ...] | None


def folder(path: str, key: str) -> Encoded:
    """List the pictures of a folder that holds one folder for each class.

    The module `walk` says which files count, and what is refused.

    Args:
        path: the folder of the class folders.
        key: the key of the configuration, or the option, that names the folder, for messages.

    Returns:
        The paths of the pictures, and their labels: classes are numbered by their sorted names.

    Raises:
        ValueError: if the folder is missing, has no class folders, holds parts of a data set
            instead of classes, or something that `walk.class_folders` refuses.
    """
    top = Path(path)
    if not top.is_dir():
        raise ValueError(f"{key}: {shown(path)} is no folder; expected a folder of class folders")
    classes = walk.class_folders(top, key)
    if not classes:
        raise ValueError(
            f"{key}: {shown(path)} has no class folders; put the images of each class in a folder"
        )
    pairs = [(file, label) for label, entry in enumerate(classes) for file in entry.files]
    return Encoded(
        [printable(str(file)) for file, _ in pairs],
        [file for file, _ in pairs],
        np.array([label for _, label in pairs], dtype=np.int64),
        tuple(entry.name for entry in classes),
    )


def parquet(path: str, key: str) -> Encoded:
    """Read pictures from Parquet files, as Hugging Face writes them, without decoding them.

    Args:
        path: one file, or a pattern with `*`, `?` or `**` that matches files.
        key: the key of the configuration, or the option, that names the path, for messages.

    Returns:
        The pictures of all files, in the order of the sorted names of the files.

    Raises:
        ValueError: if no file is there, if one is no such Parquet file or is too large in memory,
            or if the files disagree about the names of the classes.
    """
    files = walk.parquet_files(path)
    if not files:
        raise ValueError(
            f"{key}: {shown(path)} is no file and matches none; expected a file or a glob"
        )
    parts = [_parquet_file(Path(file), key) for file in files]
    for file, part in zip(files, parts, strict=True):
        if part.classes != parts[0].classes:
            raise ValueError(f"{file}: class names differ from those in {files[0]}; relabel one")
    return Encoded(
        [name for part in parts for name in part.names],
        [content for part in parts for content in part.contents],
        np.concatenate([part.labels for part in parts]),
        parts[0].classes,
    )


def _parquet_file(file: Path, key: str) -> Encoded:
    import pyarrow
    from pyarrow import parquet

    _refuse_other(file, key)
    try:
        schema = parquet.read_schema(file)
        image = _column(file, schema.names, IMAGE_COLUMNS)
        label = _column(file, schema.names, LABEL_COLUMNS)
        table = _table(file, [image, label])
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{file}: no readable Parquet file ({reason}); replace it") from error
    return Encoded(
        [f"{file}, row {row}" for row in range(table.num_rows)],
        _contents(table.column(image), f"{file}, column '{image}'"),
        _labels(table.column(label), f"{file}, column '{label}'"),
        _class_names(schema.metadata, label),
    )


def _refuse_other(file: Path, key: str) -> None:
    """Refuse what cannot be a Parquet file: a folder, a pipe, a page that a server has sent."""
    if file.is_dir():
        raise ValueError(f"{key}: '{file}' is a folder; expected files; write '{file}/*.parquet'")
    if not file.is_file():
        raise ValueError(f"{file}: no regular file; expected a Parquet file")
    with file.open("rb") as stream:
        problem = pictures.foreign(stream.read(200))
    if problem:
        raise ValueError(f"{file}: {problem}")


def _table(file: Path, columns: list[str]) -> Any:
    """Read columns batch by batch, and refuse them when they need far more memory than their file.

    Pictures are compressed already, so their columns need about as many bytes as the file. But a
    Parquet dictionary may hold a picture once and use it in a billion rows.
    """
    import pyarrow
    from pyarrow import parquet

    limit, total, batches = UNPACKED + 100 * file.stat().st_size, 0, []
    with parquet.ParquetFile(file, page_checksum_verification=True) as reader:
        for batch in reader.iter_batches(BATCH, columns=columns):
            total += batch.nbytes
            if total > limit:
                raise ValueError(
                    f"{file}: more than {limit} bytes once unpacked; expected at most {UNPACKED}"
                    " plus a hundred times the size of the file; split it"
                )
            batches.append(batch)
        schema = batches[0].schema if batches else reader.read(columns=columns).schema
    return pyarrow.Table.from_batches(batches, schema)


def _column(file: Path, names: list[str], candidates: tuple[str, ...]) -> str:
    """The first of the candidates that is the name of a column."""
    for name in candidates:
        if name in names:
            return name
    raise ValueError(
        f"{file}: columns {', '.join(names)}; expected one of {', '.join(candidates)};"
        f" rename the column"
    )


def _contents(column: Any, where: str) -> list[bytes | Path]:
    """The encoded pictures of a column, which holds bytes or structs of bytes and a path."""
    from pyarrow import compute, types

    kind = column.type
    if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column = compute.struct_field(column, "bytes")
    if not (types.is_binary(column.type) or types.is_large_binary(column.type)):
        raise ValueError(
            f"{where}: type {kind}; expected encoded images, binary or struct of bytes and path"
        )
    _refuse_null(column, where, "no bytes; embed the images in the file")
    contents: list[bytes | Path] = column.to_pylist()
    return contents


def _labels(column: Any, where: str) -> npt.NDArray[Any]:
    """The labels of a column of whole numbers, (n,)."""
    from pyarrow import types

    if not types.is_integer(column.type):
        raise ValueError(
            f"{where}: labels of type {column.type}; expected whole numbers; number the classes"
        )
    _refuse_null(column, where, "no label; remove the row")
    return np.asarray(column.to_numpy())


def _refuse_null(column: Any, where: str, problem: str) -> None:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise ValueError(f"{where}, row {row}: {problem}")


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> tuple[str, ...] | None:
    """The class names in the metadata that Hugging Face's `datasets` writes, or None."""
    try:
        document = json.loads((metadata or {})[b"huggingface"])
        names = document["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) and names else None
