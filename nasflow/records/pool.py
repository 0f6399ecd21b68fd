"""The networks of several searches that compete with one another, from the folders of results."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from nasflow.records.front import Front, Network, found_network, front, path_of
from nasflow.storage import places
from nasflow.storage.files import read_json
from nasflow.storage.made import MADE

SPLIT = "validation.safetensors"


class Pool(NamedTuple):
    """Networks that compete.

    Attributes:
        fronts: the fronts of the searches; of a search without one, the network that it found.
        names: a name for each network of all fronts, for people, by the folder of the network.
        notes: lines about searches that take no part, for people.
    """

    fronts: tuple[Front, ...]
    names: dict[Path, str]
    notes: tuple[str, ...]

    @property
    def networks(self) -> tuple[Network, ...]:
        """All networks, search by search, each from the smallest to the largest."""
        return tuple(network for one in self.fronts for network in one.networks)


def pool(folders: Sequence[Path]) -> Pool:
    """Read the networks of all searches in some folders.

    Args:
        folders: experiments, searches, or folders of them.

    Raises:
        ValueError: if a folder is missing, the folders hold no front and no two networks that
            could compete, or the searches have different validation images.
        CorruptFile: if a record is damaged.
    """
    for folder in folders:
        if not folder.exists():
            raise ValueError(f"{folder}: nothing there; expected a folder such as results/digits")
    places_of = (places.found(folder).searches for folder in folders)
    every = list(_once(search for found in places_of for search in found))
    seen = [search for search in every if _has_seen(search)]
    searches = [search for search in every if search not in seen]
    whole = [found for search in searches if (found := front(search) or found_network(search))]
    if len(whole) < 2 and not any(os.path.lexists(path_of(one.search)) for one in whole):
        raise ValueError(
            f"{', '.join(map(str, folders))}: no front there, and {len(whole) or 'no'} finished "
            "network to choose from; set final.front to the number of networks that you want, "
            "such as 5, and run the workflow again"
        )
    _check_images([one.search for one in whole])
    notes = tuple(
        f"{search}: final.use_validation was set, so its accuracy on these images proves nothing; "
        "it takes no part"
        for search in seen
    )
    return Pool(tuple(whole), _names(whole), notes)


def _has_seen(search: Path) -> bool:
    """Return True where the final training used the images by which networks are compared."""
    path = search / "final/status.json"
    made = read_json(path).get(MADE, {}) if os.path.lexists(path) else {}
    return bool(made.get("config", {}).get("final", {}).get("use_validation"))


def _once(searches: Iterable[Path]) -> Iterable[Path]:
    """Leave out a search that was named before under another name."""
    seen = set()
    for search in searches:
        if (place := search.resolve()) not in seen:
            seen.add(place)
            yield search


def _check_images(searches: Sequence[Path]) -> None:
    """Raise ValueError where validation accuracies come from different images."""
    known: dict[str, Path] = {}
    for experiment in dict.fromkeys(search.absolute().parents[1] for search in searches):
        record = experiment / "data/data.json"
        digest = read_json(record).get("files", {}).get(SPLIT) if record.is_file() else None
        if digest is not None:
            known.setdefault(digest, experiment)
    if len(known) > 1:
        first, second, *_ = known.values()
        raise ValueError(
            f"{first} and {second} have different validation images, so that their accuracies "
            "cannot be compared; expected searches on the same images; name one of them"
        )


def _names(fronts: Sequence[Front]) -> dict[Path, str]:
    """Name each network by as much of its place as tells the searches apart."""
    parts = [one.search.absolute().parts[-3:] for one in fronts]
    several = len({part[0] for part in parts}) > 1
    return {
        network.folder: " ".join(["/".join(part[0 if several else 1 :]), network.name])
        for one, part in zip(fronts, parts, strict=True)
        for network in one.networks
    }
