"""What a network must know about its images: shape, mean, standard deviation, class names.

The final network has these facts in the file `images.json` beside it. The networks of other stages
lie in a folder of results, whose `data/data.json` holds the same facts and more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasflow.config.files import CHECKPOINT
from nasflow.printable import shown
from nasflow.storage.files import CorruptFile, read_json
from nasflow.storage.record import record
from nasflow.storage.shapes import DATA, check_shape

NAME = "images.json"
SEED = re.compile("seed_[0-9]+")
KEYS = ("classes", "channels", "height", "width", "mean", "std")


def image_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Choose the facts of a data.json that a network needs.

    Args:
        facts: the content of a data.json.

    Returns:
        Its entries `classes`, `channels`, `height`, `width`, `mean` and `std`.
    """
    return {key: facts[key] for key in KEYS}


def facts_of(stem: Path, data: Path | None = None) -> dict[str, Any]:
    """Find the facts about the images of a network.

    They come from `data` where it is given, or else from the images.json beside the network, or
    else from the data/data.json of the experiment that the network belongs to.

    Args:
        stem: the path of the checkpoint without the endings of its files.
        data: a data.json or the folder that holds it.

    Returns:
        The facts, as `image_facts` chooses them.

    Raises:
        ValueError: if none of these files exists.
        CorruptFile: if the file does not hold the facts.
    """
    if data is not None:
        return read_facts(data / "data.json" if data.is_dir() else data)
    places = [stem.with_name(NAME), *(folder / "data" / "data.json" for folder in _above(stem))]
    for place in places:
        if os.path.lexists(place):
            return read_facts(place)
    raise ValueError(
        f"{stem}: no {NAME} beside it and no data/data.json in its experiment, which say how its "
        "images are normalised and what its classes are called; give --data DATA.JSON"
    )


def prepared_folder(stem: Path, data: Path | None = None) -> Path | None:
    """Find the folder of the prepared images that a network was trained on.

    Args:
        stem: the path of the checkpoint without the endings of its files.
        data: a data.json or the folder that holds it, where the user gave one.

    Returns:
        The folder, which holds train.safetensors; None where the images are gone.
    """
    if data is not None:
        folders = [data if data.is_dir() else data.parent]
    else:
        folders = [folder / "data" for folder in _above(stem)]
    return next((one for one in folders if os.path.lexists(one / "train.safetensors")), None)


def _above(stem: Path) -> list[Path]:
    """List the folders above a network, from the nearest one up to that of its experiment.

    The experiment of EXPERIMENT/ALGORITHM/seed_S/... is two folders above seed_S. A network that is
    in no search has its own folder and the one above it, which a stage by hand writes to. No other
    folder is asked: on a shared machine somebody else may have put a data.json above them.
    """
    above = list(stem.absolute().parents)
    search = next((i for i, folder in enumerate(above) if SEED.fullmatch(folder.name)), None)
    return above[: 2 if search is None else search + 3]


def read_facts(path: Path) -> dict[str, Any]:
    """Read the facts about images from a data.json or an images.json.

    Args:
        path: the file.

    Returns:
        The facts, as `image_facts` chooses them.

    Raises:
        CorruptFile: if the file is missing or damaged, if a fact is missing, or if there is not
            one mean and one standard deviation for each channel.
    """
    return _one_per_channel(path, image_facts(read_json(path, DATA)))


def checked_facts(path: Path, data: Any) -> dict[str, Any]:
    """Check facts about images that were read from another place than a record.

    Args:
        path: the file that they come from.
        data: the facts, as JSON gives them.

    Returns:
        The facts, as `image_facts` chooses them.

    Raises:
        CorruptFile: as for `read_facts`.
    """
    found = record(path, data)
    if not isinstance(found, dict):
        raise CorruptFile(f"{path}: not the facts about images")
    check_shape(path, found, DATA)
    return _one_per_channel(path, image_facts(found))


def _one_per_channel(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    if not len(facts["mean"]) == len(facts["std"]) == facts["channels"]:
        raise CorruptFile(
            f"{path}: mean {shown(facts['mean'])}, channels {facts['channels']}; expected one mean "
            "and one std for each channel"
        )
    return facts


def stem_of(path: Path) -> Path:
    """Find the stem of a checkpoint.

    Args:
        path: the stem itself, any of the three files of the checkpoint, or the folder of a stage,
            in which the stem is called `network` or `winner`.

    Returns:
        The path of the checkpoint without the endings of its files.

    Raises:
        ValueError: if no checkpoint is there.
    """
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
