"""Where results lie: experiments, their searches, and the copies that people keep beside them.

The folders are EXPERIMENT/METHOD/seed_S, with EXPERIMENT/data beside the methods; the sets of a
suite are EXPERIMENT/SET/results/EXPERIMENT. A method is an algorithm or an ablation. Links to
folders are followed, so that an experiment may lie on another disk. A folder such as `seed_0_old`,
`round_1_bak` or `nasgd (copy)`, which has a name that nasflow would not give, is a copy: it is
named and left alone. Hidden folders are skipped, and so are MLflow's files.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from nasflow.config.compare import NAME as ABLATION
from nasflow.config.experiment import NAME as EXPERIMENT
from nasflow.config.kinds import Algorithm
from nasflow.printable import printable
from nasflow.storage.files import MIRRORED
from nasflow.storage.folders import Entry, Kind, entries

NUMBER = r"(?:0|[1-9][0-9]{0,18})"
SEED, ROUND = re.compile(f"seed_{NUMBER}"), re.compile(f"round_{NUMBER}")
NETWORK = re.compile("network_[1-9][0-9]?")  # of a front
STAGES = ("pretrain", "search", "prune", "final", "front", "tracking")
BESIDE = ("data", "comparison")
DATA = ("data.json", "train.safetensors")  # the data of an experiment have at least one of them


class Found(NamedTuple):
    """What lies below a folder.

    Attributes:
        experiments: the folders of experiments.
        searches: the folders of searches.
        sets: the finished sets of suites; each has a sitting.json.
        copies: folders that look like results, and have names that nasflow would not give.
        lost: links that lead nowhere, and stand where an experiment or a search could be.
    """

    experiments: list[Path]
    searches: list[Path]
    sets: list[Path]
    copies: list[Path]
    lost: list[Path]


def found(top: Path) -> Found:
    """Look for results in a folder.

    Args:
        top: a folder of experiments, an experiment, a method, or a search. Whatever its name is, it
            is no copy: the user has named it.

    Returns:
        What is there, each list sorted.
    """
    result = Found([], [], [], [], [])
    if top.is_dir():
        if top.absolute().name.startswith("seed_"):
            _search(top, result)
        elif _seeds(top):
            _method(top, result)
        else:
            _tree(top, result, set())
    for part in result:
        part.sort()
    return result


def tell(place: Found) -> None:
    """Print one line on stderr for each copy, and for each link that leads nowhere."""
    lines = [f"{path}: a copy, by its name; it is left alone and not read" for path in place.copies]
    lines += [f"{path}: a link that leads nowhere; it is not read" for path in place.lost]
    for line in lines:
        print(printable(f"nasflow: {line}"), file=sys.stderr)


def searches(experiment: Path) -> list[Path]:
    """List the folders of the searches of one experiment, sorted by method and seed."""
    methods = (path for path in folders(experiment) if is_method(path.name))
    return [seed for method in methods for seed in _seeds(method)]


def is_method(name: str) -> bool:
    """Return True for the name of an algorithm or of an ablation, such as `nasgd-log`."""
    algorithm, dash, ablation = name.partition("-")
    known = algorithm in [one.value for one in Algorithm]
    return known and (not dash or re.fullmatch(ABLATION, ablation) is not None)


def folders(folder: Path) -> list[Path]:
    """List the folders in a folder, without hidden ones and without links that lead upwards."""
    return [one.path for one in _entries(folder) if one.kind is Kind.FOLDER]


def _folders(folder: Path, result: Found) -> list[Entry]:
    """List the folders in a folder, and record links that lead nowhere."""
    inside = _entries(folder)
    result.lost.extend(one.path for one in inside if one.kind is Kind.NOWHERE)
    return [one for one in inside if one.kind is Kind.FOLDER]


def _entries(folder: Path) -> list[Entry]:
    try:
        return entries(folder, _skipped)
    except OSError:
        return []


def _skipped(path: Path) -> bool:
    return path.name.startswith(".") or path.name == MIRRORED


def _seeds(method: Path) -> list[Path]:
    """List the folders of the searches of a method, sorted by seed."""
    named = [path for path in folders(method) if SEED.fullmatch(path.name)]
    return sorted(named, key=lambda path: int(path.name.removeprefix("seed_")))


def _is_experiment(folder: Path) -> bool:
    """Return True for a folder with data or with searches."""
    if any((folder / "data" / name).is_file() for name in DATA):
        return True
    return any(_seeds(path) for path in folders(folder))


def _tree(folder: Path, result: Found, seen: set[tuple[int, int]]) -> None:
    """Look for results in a folder of any kind. Each folder is entered once, so that no link makes
    this endless; links are entered last, since the folder itself has the better name."""
    facts = folder.stat()
    if (facts.st_dev, facts.st_ino) in seen:
        return
    seen.add((facts.st_dev, facts.st_ino))
    if (folder / "sitting.json").exists():
        result.sets.append(folder)
    inside = sorted(_folders(folder, result), key=lambda one: one.linked)
    if _is_experiment(folder):
        _experiment(folder, result)
        inside = [one for one in inside if (one.path / "results").is_dir()]  # sets of a suite
    experiments = [one.path for one in inside if _is_experiment(one.path)]
    named = [path.name for path in experiments if re.fullmatch(EXPERIMENT, path.name)]
    for path, _, _ in inside:
        if path in experiments and path.name not in named and _alike(path.name, named):
            result.copies.append(path)
        else:
            _tree(path, result, seen)


def _experiment(folder: Path, result: Found) -> None:
    result.experiments.append(folder)
    for path in folders(folder):
        if is_method(path.name):
            _method(path, result)
        elif path.name in BESIDE or (path / "results").is_dir():
            continue
        elif _seeds(path) or _is_experiment(path) or _alike(path.name, (*BESIDE, *Algorithm)):
            result.copies.append(path)


def _method(folder: Path, result: Found) -> None:
    for path, _, _ in _folders(folder, result):
        if SEED.fullmatch(path.name):
            _search(path, result)
        elif _alike(path.name, ("seed",)) or any((path / name).is_dir() for name in STAGES):
            result.copies.append(path)


def _search(folder: Path, result: Found) -> None:
    result.searches.append(folder)
    for path in folders(folder):
        if path.name not in STAGES and _alike(path.name, STAGES):
            result.copies.append(path)
    for path in (*folders(folder / "search"), *folders(folder / "prune")):
        if not ROUND.fullmatch(path.name) and _alike(path.name, ("round",)):
            result.copies.append(path)
    for path in folders(folder / "front"):
        if not NETWORK.fullmatch(path.name) and _alike(path.name, ("network",)):
            result.copies.append(path)


def _alike(name: str, known: Iterable[str]) -> bool:
    """Return True when one of the known names stands in a name as a word of its own."""
    words = "|".join(re.escape(one) for one in known)
    return bool(words and re.search(f"(?<![a-z0-9])(?:{words})(?![a-z0-9])", name.casefold()))
