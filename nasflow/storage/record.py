"""A JSON record in memory: mappings whose missing keys are told as damage of their file.

Every stage reads records that other versions of nasflow, or other people, have written. What is
missing is noticed where it is needed, and the message names the file and the key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

DEEPEST = 16  # mappings and lists inside one another; the records of nasflow have at most 5


class CorruptFile(Exception):
    """A file is missing or is not what was written. The command ends with exit code 3.

    The message is one line: the path of the file, what is wrong, and a remedy.
    """


class MissingKey(CorruptFile, LookupError):
    """A record lacks a key that is needed."""


class Record(dict[str, Any]):
    """A mapping of a JSON record, which raises MissingKey where `record[key]` finds no key."""

    def __init__(self, path: Path, entries: dict[str, Any]) -> None:
        super().__init__(entries)
        self._path = path

    def __missing__(self, key: object) -> Any:
        raise MissingKey(f"{self._path}: no key {key!r}; rerun the stage that writes it")


def record(path: Path, data: Any, depth: int = DEEPEST) -> Any:
    """Turn all mappings of plain data into records.

    Args:
        path: the file that the data come from.
        data: plain data, as JSON gives them.
        depth: how many mappings and lists may stand inside one another.

    Raises:
        CorruptFile: if there are more.
    """
    if not isinstance(data, dict | list):
        return data
    if depth < 1:
        raise CorruptFile(f"{path}: nested too deep; expected at most {DEEPEST} levels")
    if isinstance(data, list):
        return [record(path, value, depth - 1) for value in data]
    return Record(path, {key: record(path, value, depth - 1) for key, value in data.items()})
