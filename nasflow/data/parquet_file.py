"""One Parquet file of pictures, as Hugging Face and others write it; its pictures are read late.

The labels are read at once. The pictures are read in their order, a few at a time, when somebody
asks for them: so their encoded bytes are never all in memory. Every Arrow type that holds bytes is
read: binary, large_binary, binary_view, fixed_size_binary, a dictionary of one of them, and a
struct with a field `bytes`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt

from nasflow.data import picture
from nasflow.printable import shown

IMAGE_COLUMNS = ("image", "img", "image.bytes", "img.bytes")
LABEL_COLUMNS = ("label", "labels", "fine_label")
UNPACKED = 1_000_000_000  # bytes of the columns of a Parquet file once unpacked; see _batches
BATCH = 128  # most rows of a Parquet file that are read at once
BYTES = 8_000_000  # encoded bytes of the rows that are read at once
BUFFER = 1 << 20  # bytes of a column that are read from disk at once


class ParquetFile(NamedTuple):
    """A file of pictures with labels.

    Attributes:
        pictures: the encoded pictures.
        labels: the labels, whole numbers or, where they are texts, strings; (n,).
        classes: the names of the classes in its metadata, or None.
    """

    pictures: Pictures
    labels: npt.NDArray[Any]
    classes: tuple[str, ...] | None


class Pictures(Sequence[bytes]):
    """The encoded pictures of a file. They are read in their order; going back starts anew."""

    def __init__(self, file: Path, column: str, rows: int) -> None:
        self._file, self._column, self._rows = file, column, rows
        self._stream: Iterator[bytes] | None = None
        self._next, self._last = 0, b""  # the row that the stream gives next; the one before it

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[bytes]:
        return self._read()

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(self._rows))]
        row = range(self._rows)[index]
        if self._stream is None or row < self._next - 1:
            self._stream, self._next = self._read(), 0
        while self._next <= row:
            self._last = next(self._stream)
            self._next += 1
        return self._last

    def _read(self) -> Iterator[bytes]:
        import pyarrow
        from pyarrow import compute, types

        row, where = 0, f"{self._file}, column '{self._column}'"
        for batch in _batches(self._file, self._column):
            column = _stored(batch)
            if types.is_struct(column.type):
                column = _stored(compute.struct_field(column, "bytes"))
            try:
                found: list[bytes | None] = column.to_pylist()
            except pyarrow.ArrowException as error:
                raise ValueError(_unreadable(self._file, error)) from error
            if None in found:
                raise ValueError(
                    f"{where}, row {row + found.index(None)}: no bytes; embed the images in the"
                    " file"
                )
            yield from (one for one in found if one is not None)
            row += len(found)


def read(file: Path, key: str) -> ParquetFile:
    """Read the labels of a Parquet file, and find its pictures.

    Args:
        file: the file.
        key: the key of the configuration, or the option, that names the path, for messages.

    Returns:
        The pictures, which are not read yet, the labels and the names of the classes.

    Raises:
        ValueError: if it is no Parquet file, if a column is missing, is there twice or has a type
            that does not fit, or if a row has no label.
    """
    import pyarrow
    from pyarrow import parquet

    _refuse_other(file, key)
    try:
        schema = parquet.read_schema(file)
        rows: int = parquet.read_metadata(file).num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(_unreadable(file, error)) from error
    image = _column(file, schema.names, IMAGE_COLUMNS)
    label = _column(file, schema.names, LABEL_COLUMNS)
    _check_bytes(schema.field(image).type, f"{file}, column '{image}'")
    return ParquetFile(
        Pictures(file, image, rows),
        _labels(file, label, schema.field(label).type),
        _class_names(schema.metadata, label),
    )


def _refuse_other(file: Path, key: str) -> None:
    """Refuse what cannot be a Parquet file: a folder, a pipe, a page that a server has sent."""
    if file.is_dir():
        raise ValueError(f"{key}: '{file}' is a folder; expected files; write '{file}/*.parquet'")
    if not file.is_file():
        raise ValueError(f"{file}: no regular file; expected a Parquet file")
    with file.open("rb") as stream:
        problem = picture.foreign(stream.read(200))
    if problem:
        raise ValueError(f"{file}: {problem}")


def _unreadable(file: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())
    return f"{file}: no readable Parquet file ({reason}); replace it"


def _batches(file: Path, column: str) -> Iterator[Any]:
    """Read a column a few rows at a time, and refuse it when it needs far more than its file.

    Pictures are compressed already, so a column needs about as many bytes as the file. But a
    Parquet dictionary may hold a picture once and use it in a billion rows.
    """
    import pyarrow
    from pyarrow import parquet

    limit, total = UNPACKED + 100 * file.stat().st_size, 0
    try:
        with parquet.ParquetFile(
            file, page_checksum_verification=True, buffer_size=BUFFER, pre_buffer=False
        ) as reader:
            rows = max(1, min(BATCH, BYTES * reader.metadata.num_rows // file.stat().st_size))
            for batch in reader.iter_batches(rows, columns=[column], use_threads=False):
                total += _unpacked(batch.column(0))
                if total > limit:
                    raise ValueError(
                        f"{file}: more than {limit} bytes once unpacked; expected at most"
                        f" {UNPACKED} plus a hundred times the size of the file; split it"
                    )
                yield batch.column(0)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(_unreadable(file, error)) from error


def _unpacked(column: Any) -> int:
    """The bytes of the values of an array; each use of an entry of a dictionary counts."""
    from pyarrow import types

    if types.is_dictionary(column.type) and len(column.dictionary):
        used = column.dictionary.nbytes // len(column.dictionary)
        return int(len(column) * used)
    return int(column.nbytes)


def _column(file: Path, there: list[str], names: tuple[str, ...]) -> str:
    found = next((name for name in names if name in there), None)
    if found is None:
        raise ValueError(
            f"{file}: columns {', '.join(there)}; expected one of {', '.join(names)};"
            f" rename the column"
        )
    if there.count(found) > 1:
        raise ValueError(
            f"{file}: column '{found}' is there {there.count(found)} times; expected it once;"
            " rename or remove the others"
        )
    return found


def _plain(kind: Any) -> Any:
    """The type of the values of a dictionary or of an extension type, and any other type itself."""
    import pyarrow
    from pyarrow import types

    while True:
        if types.is_dictionary(kind):
            kind = kind.value_type
        elif isinstance(kind, pyarrow.BaseExtensionType):
            kind = kind.storage_type
        else:
            return kind


def _stored(column: Any) -> Any:
    """The array without its extension type."""
    return getattr(column, "storage", column)


def _check_bytes(kind: Any, where: str) -> None:
    """Refuse the type of a column that holds no bytes."""
    from pyarrow import types

    inner = _plain(kind)
    if types.is_struct(inner) and inner.get_field_index("bytes") >= 0:
        inner = _plain(inner.field("bytes").type)
    if not _is_binary(inner):
        raise ValueError(
            f"{where}: type {kind}; expected encoded images, binary or struct of bytes and path"
        )


def _is_binary(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _labels(file: Path, column: str, kind: Any) -> npt.NDArray[Any]:
    """The labels of a column of whole numbers, truth values or texts, (n,)."""
    from pyarrow import types

    where, inner = f"{file}, column '{column}'", _plain(kind)
    named = _is_text(inner) or _is_binary(inner)
    if not (named or types.is_integer(inner) or types.is_boolean(inner)):
        raise ValueError(
            f"{where}: labels of type {kind}; expected whole numbers or texts; number the classes"
        )
    found: list[Any] = []
    for batch in _batches(file, column):
        values = _stored(batch).to_pylist()
        if None in values:
            raise ValueError(
                f"{where}, row {len(found) + values.index(None)}: no label; remove the row"
            )
        found += values
    if named:
        texts = [_text(value, f"{where}, row {row}") for row, value in enumerate(found)]
        return np.array(texts, dtype=object)
    if not found:
        return np.zeros(0, dtype=np.int64)
    return np.array(found, dtype=np.uint64 if max(found) >= 2**63 else np.int64)


def _text(value: str | bytes, where: str) -> str:
    try:
        text = value if isinstance(value, str) else value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: label {shown(value)}; expected a text in UTF-8") from error
    if not text:
        raise ValueError(f"{where}: an empty label; expected the name of a class; remove the row")
    return text


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> tuple[str, ...] | None:
    """The class names in the metadata that Hugging Face's `datasets` writes, or None."""
    try:
        document = json.loads((metadata or {})[b"huggingface"])
        names = document["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) and names else None
