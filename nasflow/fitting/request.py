"""What a person asked `nasflow fit` for, and what is already planned in the folder.

The folder holds `fit.json`: the wish, and the sha256 of each file that was written for it. The same
wish goes on where the folder stands. Another wish about the same images plans anew, and Snakemake
keeps the results that still hold.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from nasflow.planning.choices import Choice, choice
from nasflow.planning.source import LABELS, Source, source
from nasflow.printable import shown
from nasflow.storage.files import CorruptFile, read_json, write, write_json

NAME = "fit.json"
SCHEMA = 1
# Seconds of a core that the programs of a front take beside the training: for each network but the
# found one, and for their choice and comparison; and those that a prune round takes beside its
# training (measured on an AMD EPYC, Zen 4).
EACH, TOGETHER, PRUNED = 8.0, 7.0, 5.0
BASELINE = "chain7"  # the fixed network of --with-baseline


class Standing(StrEnum):
    """How a folder stands to a wish."""

    NEW = "new"
    SAME = "same"
    OTHER = "other"


class Request(NamedTuple):
    """What was asked for.

    Attributes:
        source: where the pictures are.
        chosen: time, cores and everything else that has a flag.
        own: the configuration of `--set`, which lies over the planned one.
    """

    source: Source
    chosen: Choice
    own: dict[str, Any]

    @property
    def own_text(self) -> str:
        """The text of own.yaml; empty where nothing was set."""
        if not self.own:
            return ""
        said = "# Made by `nasflow fit` from its options --set. This file lies over config.yaml.\n"
        return said + yaml.safe_dump(self.own, sort_keys=False, allow_unicode=True)

    @property
    def programs(self) -> float:
        """The seconds of the user's minutes in which the programs of a front and of prune rounds do
        not train."""
        count, rounds = front_of(self.own), _number(self.own, "prune", "rounds", 0)
        front = EACH * (count - 1) + TOGETHER if count > 1 else 0.0
        return self.chosen.seeds * (front + PRUNED * rounds)

    def record(self) -> dict[str, Any]:
        """The wish as plain values."""
        chosen = self.chosen._asdict()
        del chosen["labels"], chosen["name"]
        plain = {k: str(v) if isinstance(v, Path) else v for k, v in chosen.items()}
        return plain | {"set": self.own}


def request(photos: str, folder: Path, given: Mapping[str, Any], own: Sequence[str]) -> Request:
    """Read what was asked for.

    Args:
        photos: a path, a pattern of Parquet files, or the name of a built-in data set.
        folder: the folder of the experiment.
        given: the value of each flag, or None where the flag was not given.
        own: `key=value` texts that change the planned configuration.

    Raises:
        ValueError: if a value is not allowed; the message names the flag.
    """
    found = source(photos)
    test = str(Path(given["test"]).expanduser()) if given["test"] else found.test
    flags = {name: given[name] for name in ("minutes", "algorithm", "device", "cores")}
    chosen = choice(
        folder,
        flags | {"data": found.kind, "train": found.train, "test": test},
        validation=Path(found.validation) if found.validation else None,
        size=given["size"],
        seeds=1 if given["seeds"] is None else given["seeds"],
        baseline=BASELINE if given["with_baseline"] else None,
        labels=LABELS,
    )
    if chosen.baseline == chosen.algorithm:
        raise ValueError(
            f"--with-baseline: the same as --algorithm {BASELINE}; leave one of them out"
        )
    return Request(found, chosen, with_validation(settings(own)))


def settings(texts: Sequence[str]) -> dict[str, Any]:
    """Read `key=value` texts, such as `final.batch_size=64`, into nested sections.

    Args:
        texts: the texts; a value is read as YAML.

    Raises:
        ValueError: if a text is not of this form, or two of them contradict each other.
    """
    result: dict[str, Any] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not re.fullmatch(r"[a-z_0-9]+(\.[\w-]+)*", key):
            raise ValueError(f"--set: {shown(text)}; expected KEY=VALUE, as final.batch_size=64")
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ValueError(f"--set: {shown(text)}; the value is no YAML; quote it") from error
        *above, last = key.split(".")
        place = result
        for name in above:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise ValueError(f"--set: {shown(text)}; {name} was set to a value before")
        place[last] = read
    return result


def with_validation(own: dict[str, Any]) -> dict[str, Any]:
    """Keep the validation images out of the final training where they choose a front.

    The planned configuration trains on them (`final.use_validation`).

    Args:
        own: the configuration of `--set`.
    """
    return own | {"final": {"use_validation": False} | own["final"]} if front_of(own) > 1 else own


def front_of(own: dict[str, Any]) -> int:
    """Return `final.front` of the configuration of `--set`; 1 where it has none, or no number."""
    return _number(own, "final", "front", 1)


def _number(own: dict[str, Any], section: str, name: str, default: int) -> int:
    """Return a number of the configuration of `--set`, or the default of its key."""
    found = own.get(section)
    number = found.get(name) if isinstance(found, dict) else None
    return number if isinstance(number, int) else default


def standing(folder: Path, wish: Request) -> Standing:
    """Tell whether the folder is new, was made for this wish, or for another one.

    Args:
        folder: the folder of the experiment.
        wish: what is asked for now.

    Raises:
        ValueError: if the folder holds something else, other images, or files that were changed.
    """
    name = shown(str(folder))
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return Standing.NEW
    if not (folder / NAME).is_file():
        raise ValueError(f"--out: {name}: not made by `nasflow fit`; name a new or an empty folder")
    try:
        found = read_json(folder / NAME)
        before, files = dict(found["asked"]), dict(found["files"])
    except (LookupError, TypeError, ValueError) as error:
        raise CorruptFile(f"{folder / NAME}: damaged; name another folder with --out") from error
    now = json.loads(json.dumps(wish.record()))
    if before == now and found.get("schema") == SCHEMA:
        return Standing.SAME
    for key in ("source", "train"):
        if before.get(key) != now[key]:
            raise ValueError(
                f"--out: {name} is about other images ({shown(before.get(key))}); name another"
                " folder"
            )
    for file, digest in files.items():
        if _sha256(folder / file) != digest:
            raise ValueError(
                f"{folder / file}: changed since `nasflow fit` wrote it, and would be replaced; "
                f"run `snakemake` in {name}, or name another folder with --out"
            )
    return Standing.OTHER


def save(folder: Path, wish: Request, files: Mapping[str, str]) -> None:
    """Write the files of the experiment, and then the record of the wish.

    Args:
        folder: the folder of the experiment.
        wish: what was asked for.
        files: the text of each file, by its name.
    """
    sums = {name: write(folder / name, text.encode()) for name, text in files.items()}
    if "own.yaml" not in files:
        (folder / "own.yaml").unlink(missing_ok=True)
    write_json(folder / NAME, {"schema": SCHEMA, "asked": wish.record(), "files": sums})


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""
