"""What a network must know of its images besides its weights: shape, mean, std, class names.

Beside a final network lies `images.json`; networks of other stages stand in a folder of results,
whose `data/data.json` says the same and more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasflow.config.files import CHECKPOINT
from nasflow.storage.files import CorruptFile, read_json

NAME = "images.json"
KEYS = ("classes", "channels", "height", "width", "mean", "std")


def image_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those of data.json that a network needs."""
    return {key: facts[key] for key in KEYS}


def facts_of(stem: Path, data: Path | None = None) -> dict[str, Any]:
    """The facts for the network at `stem`: from `data` (a data.json or its folder), else from
    beside the network, else from the results around it. ValueError where there are none."""
    if data is not None:
        return read_facts(data / "data.json" if data.is_dir() else data)
    above = stem.absolute().parents
    places = [stem.with_name(NAME), *(folder / "data" / "data.json" for folder in above)]
    for place in places:
        if place.is_file():
            return read_facts(place)
    raise ValueError(
        f"{stem}: no {NAME} beside it and no data/data.json above it, which say how its images "
        "are normalised and what its classes are called; give --data DATA.JSON"
    )


def read_facts(path: Path) -> dict[str, Any]:
    """Checked: every key, a mean and a std a channel."""
    try:
        facts = image_facts(read_json(path))
        fits = len(facts["mean"]) == len(facts["std"]) == facts["channels"]
    except (LookupError, TypeError) as error:
        raise CorruptFile(f"{path}: not the facts of images ({error!r})") from error
    if not fits:
        raise CorruptFile(f"{path}: mean {facts['mean']}, channels {facts['channels']}")
    return facts


def stem_of(path: Path) -> Path:
    """A checkpoint by its stem, by any of its files, or by the folder of a stage. ValueError where
    none is."""
    stems = [path, *(path.with_name(path.name.removesuffix(end)) for end in CHECKPOINT)]
    stems += [path / name for name in ("network", "winner")]
    for stem in stems:
        if (
            stem.with_name(stem.name + CHECKPOINT[-1]).is_file()
            and stem.with_name(stem.name + CHECKPOINT[0]).is_file()
        ):
            return stem
    near = "; it is a folder" if path.is_dir() else ""
    raise ValueError(
        f"{path}: no checkpoint there{near}; expected files such as "
        "results/digits/nasgd/seed_0/final/network.json, named without their ending"
    )
