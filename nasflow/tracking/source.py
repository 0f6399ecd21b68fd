"""A finished stage as its mirror sees it: folder of records, place in a search, digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nasflow.records import curves
from nasflow.storage.files import read_json

LAYOUT = b"2"  # part of the digest: a change of names or curves replaces all mirrored runs
FILES = ("*.json", "*.parquet", "summary.txt")


@dataclass(frozen=True)
class Source:
    """S/pretrain, S/search/round_r or S/final, where S = results/experiment/algorithm/seed_s."""

    folder: Path  # absolute
    experiment: str
    algorithm: str
    seed: int
    round: int | None = None

    @property
    def search(self) -> Path:
        return self.folder.parent if self.round is None else self.folder.parent.parent

    @property
    def results(self) -> Path:
        return self.search.parents[2]

    @property
    def key(self) -> str:
        """`digits/nasgd/seed_0/search/round_3`"""
        return self.folder.relative_to(self.results).as_posix()

    @property
    def search_key(self) -> str:
        """`digits/nasgd/seed_0`"""
        return self.search.relative_to(self.results).as_posix()

    @property
    def files(self) -> list[Path]:
        """What is mirrored as a file: records and descriptions, not weights."""
        found = (path for pattern in FILES for path in self.folder.glob(pattern))
        return sorted(path for path in found if path.name != "tracking.json")

    @cached_property
    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = read_json(self.folder / "status.json")
        return status

    @property
    def title(self) -> str:
        """`pretrain`, `round 03 · widen`, `final training`"""
        if self.round is None:
            return "final training" if self.folder.name == "final" else "pretrain"
        return f"round {self.round:02d} · {self.status['morphism'] or 'parent'}"

    def points(self) -> list[curves.Point]:
        read = curves.of_training if self.round is None else curves.of_round
        return read(self.folder)

    def digest(self) -> str:
        """sha256 over the names and contents of the files."""
        state = hashlib.sha256(LAYOUT)
        for path in self.files:
            state.update(f"\n{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}".encode())
        return state.hexdigest()


def found(results: Path) -> Iterator[Source]:
    """The finished stages (those with a status.json), in the order of each search."""
    for search in sorted(results.absolute().glob("*/*/seed_*")):
        place = (search.parent.parent.name, search.parent.name, int(search.name[len("seed_") :]))
        yield from found_in(search, *place)


def found_in(search: Path, experiment: str, algorithm: str, seed: int) -> Iterator[Source]:
    """Those of one search."""
    place = (experiment, algorithm, seed)
    if (search / "pretrain" / "status.json").exists():
        yield Source(search / "pretrain", *place)
    for number, path in curves.rounds(search).items():
        yield Source(path.parent, *place, number)
    if (search / "final" / "status.json").exists():
        yield Source(search / "final", *place)
