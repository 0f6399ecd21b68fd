"""A finished stage as its mirror sees it: its folder of records, its place, and its digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nasflow.records import curves
from nasflow.storage import places
from nasflow.storage.files import read_json
from nasflow.storage.own_files import content

SEED = "seed_"  # the name of a search's folder is this and a number
LAYOUT = b"2"  # part of the digest; raise it where names or curves change: all runs are replaced
# The files of a stage that are mirrored. Of other files in its folder nothing is copied.
FILES = (
    *("status.json", "metrics.json", "images.json", "summary.txt"),
    *(f"{stem}{end}" for stem in ("network", "winner") for end in (".json", ".architecture.json")),
    *(f"{name}.parquet" for name in ("history", "predictions", "particles", "architectures")),
)
FRONT = ("front.json", "front.csv")


@dataclass(frozen=True)
class Source:
    """One finished stage of a search S = results/EXPERIMENT/ALGORITHM/seed_S.

    Attributes:
        folder: S/pretrain, S/search/round_r, S/prune/round_r or S/final, as an absolute path.
        experiment: the name of the experiment.
        algorithm: the name of the algorithm or of the ablation.
        seed: the seed of the search.
        round: the number r of a round, None for a training.
    """

    folder: Path
    experiment: str
    algorithm: str
    seed: int
    round: int | None = None

    @property
    def pruning(self) -> bool:
        """Whether the stage is a prune round."""
        return self.round is not None and self.folder.parent.name == "prune"

    @property
    def search(self) -> Path:
        """The folder S of the search."""
        return self.folder.parent if self.round is None else self.folder.parent.parent

    @property
    def results(self) -> Path:
        """The folder that holds all experiments."""
        return self.search.parents[2]

    @property
    def key(self) -> str:
        """What names the stage in the mirror: `digits/nasgd/seed_0/search/round_3`."""
        return self.folder.relative_to(self.results).as_posix()

    @property
    def search_key(self) -> str:
        """What names the search in the mirror: `digits/nasgd/seed_0`."""
        return self.search.relative_to(self.results).as_posix()

    @property
    def final(self) -> bool:
        """Whether it is the final training."""
        return self.round is None and self.folder.name == "final"

    @property
    def files(self) -> list[Path]:
        """The files that are mirrored: records and descriptions, but no weights.

        The record and the table of the front stand with the final training.
        """
        found = [self.folder / name for name in FILES]
        found += [self.search / "front" / name for name in FRONT if self.final]
        return sorted(path for path in found if os.path.lexists(path))

    @cached_property
    def status(self) -> dict[str, Any]:
        """The content of the stage's status.json."""
        status: dict[str, Any] = read_json(self.folder / "status.json")
        return status

    @property
    def title(self) -> str:
        """The name of the run: `pretrain`, `round 03 · widen`, `prune 01 · narrow_all`, ..."""
        if self.round is None:
            return "final training" if self.final else "pretrain"
        kind = "prune" if self.pruning else "round"
        return f"{kind} {self.round:02d} · {self.status['morphism'] or 'parent'}"

    def points(self) -> list[curves.Point]:
        """Read the points of the stage's curves."""
        if self.round is not None:
            return curves.of_round(self.folder)
        front = curves.of_front(self.search) if self.final else []
        return [*curves.of_training(self.folder), *front]

    def digest(self) -> str:
        """Return the sha256 over the names and contents of the files.

        Raises:
            ValueError: if one of them is a symbolic link or no regular file.
        """
        state = hashlib.sha256(LAYOUT)
        for path in self.files:
            state.update(f"\n{path.name} {hashlib.sha256(content(path)).hexdigest()}".encode())
        return state.hexdigest()


def found(results: Path) -> Iterator[Source]:
    """Yield the finished stages of all searches: those with a status.json, each search in order.

    Args:
        results: a folder of results, of an experiment, of an algorithm or of a search. The sets of
            a suite, and copies such as `seed_0_old`, are left out.
    """
    top = results.absolute()
    for search in places.found(top).searches:
        if len(search.relative_to(top).parts) > 3:
            continue
        place = (search.parent.parent.name, search.parent.name, int(search.name[len(SEED) :]))
        yield from found_in(search, *place)


def found_in(search: Path, experiment: str, algorithm: str, seed: int) -> Iterator[Source]:
    """Yield the finished stages of one search, in order; the arguments are those of `Source`."""
    place = (experiment, algorithm, seed)
    if (search / "pretrain" / "status.json").exists():
        yield Source(search / "pretrain", *place)
    for folder in ("search", "prune"):
        for number, path in curves.rounds(search, folder).items():
            yield Source(path.parent, *place, number)
    if (search / "final" / "status.json").exists():
        yield Source(search / "final", *place)


def origin(key: str, results: Path) -> dict[str, str]:
    """Return the tags that lead from a run back to the files.

    MLflow shows `mlflow.source.name` as a column of its table of runs.
    """
    path = f"{results.name}/{key}"
    return {"nasflow.key": key, "nasflow.source": path, "mlflow.source.name": path}
