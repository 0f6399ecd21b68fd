"""What a user wants of a new experiment: from flags or, on a terminal, from answers."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from nasflow.config.kinds import Algorithm
from nasflow.data.class_names import writable
from nasflow.planning.survey import KNOWN, OPTIONS
from nasflow.printable import shown

OWN = ("folder", "parquet")  # sources of own images, which need --train
MINUTES = (2.0, 10_000.0)
SEEDS = 100
SIZE = (4, 1024)  # the bounds of data.size


class Choice(NamedTuple):
    """What a user has chosen for a new experiment.

    Attributes:
        name: the name of the experiment.
        source: `data.source` of the configuration.
        train: absolute path of own training images, or None.
        test: absolute path of own test images, or None.
        minutes: time for the whole experiment.
        algorithm: the algorithm of the search.
        device: where networks live, as torch names it.
        cores: number of cores that Snakemake may use.
        validation: absolute path of own validation images, or None.
        size: pixels per side to which images are resized; None decides by the images.
        seeds: number of searches, which differ in their random numbers.
        baseline: a fixed network that is trained beside each search, or None.
        labels: how a message names `train`, `validation` and `test`.
    """

    name: str
    source: str
    train: Path | None
    test: Path | None
    minutes: float
    algorithm: str
    device: str
    cores: int
    validation: Path | None = None
    size: int | None = None
    seeds: int = 1
    baseline: str | None = None
    labels: Mapping[str, str] = MappingProxyType(OPTIONS)

    @property
    def trainings(self) -> int:
        """Searches and trainings of the baseline, which share the time."""
        return self.seeds * (2 if self.baseline else 1)

    @property
    def threads(self) -> int:
        """Cores of one stage; two at most, since a batch of the final training has two shards."""
        return min(self.cores // min(self.cores, self.trainings), 2)

    @property
    def waves(self) -> int:
        """How many trainings follow one another; as many as there are cores run side by side."""
        return math.ceil(self.trainings / min(self.cores, self.trainings))


def choice(folder: Path, given: Mapping[str, Any], **more: Any) -> Choice:
    """Complete the flags by answers or defaults, and check them.

    Args:
        folder: the folder of the new experiment, from which its name is made.
        given: the value of each flag, or None where the flag was not given.
        more: further attributes of the choice, which have no flag.

    Raises:
        ValueError: if a value is not allowed or missing; the message names the flag.
    """
    if given["data"] is None:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ValueError(f"--data: missing; expected one of {', '.join((*KNOWN, *OWN))}")
        given = answers(given)
    train, test = (Path(given[k]).absolute() if given[k] else None for k in ("train", "test"))
    chosen = Choice(
        name=named(folder),
        source=given["data"],
        train=train,
        test=test,
        minutes=20.0 if given["minutes"] is None else given["minutes"],
        algorithm=given["algorithm"] or "nasgd",
        device=given["device"] or "cpu",
        cores=available_cores() if given["cores"] is None else given["cores"],
    )._replace(**more)
    _check(chosen, given)
    return chosen


def _check(chosen: Choice, given: Mapping[str, Any]) -> None:
    """Raise ValueError for the first value that is not allowed."""
    source, minutes = chosen.source, chosen.minutes
    for flag, value, known in (
        ("data", source, (*KNOWN, *OWN)),
        ("algorithm", chosen.algorithm, tuple(Algorithm)),
    ):
        if value not in known:
            raise ValueError(f"--{flag}: {shown(value)}; expected one of {', '.join(known)}")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", chosen.device):
        raise ValueError(f"--device: {shown(chosen.device)}; expected cpu, cuda or cuda:N")
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise ValueError(f"--minutes: {minutes:g}; expected {MINUTES[0]:g} to {MINUTES[1]:g}")
    if chosen.cores < 1:
        raise ValueError(f"--cores: {chosen.cores}; expected 1 or more")
    if chosen.size is not None and not SIZE[0] <= chosen.size <= SIZE[1]:
        raise ValueError(f"--size: {chosen.size}; expected {SIZE[0]} to {SIZE[1]} pixels")
    if not 1 <= chosen.seeds <= SEEDS:
        raise ValueError(f"--seeds: {chosen.seeds}; expected 1 to {SEEDS}")
    if minutes < MINUTES[0] * chosen.waves:
        raise ValueError(
            f"--minutes: {minutes:g}; expected {MINUTES[0] * chosen.waves:g} or more, since "
            f"{chosen.trainings} trainings on {chosen.cores} cores take {MINUTES[0]:g} minutes each"
        )
    if source in OWN and given["train"] is None:
        raise ValueError(f"--train: missing; expected the images, since --data is {source}")
    for flag in ("train", "test"):
        if given[flag] is not None and not writable(str(given[flag])):
            raise ValueError(
                f"--{flag}: {shown(given[flag])}; expected a name in UTF-8, which the configuration"
                " can hold; rename the folder or file"
            )
        if source not in OWN and given[flag] is not None:
            raise ValueError(f"--{flag}: {shown(given[flag])}; --data {source} has its own images")


def available_cores() -> int:
    """Cores that this process may use; all of the machine, where the system does not tell."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def named(folder: Path) -> str:
    """Make the name of an experiment from that of its folder."""
    name = re.sub(r"[^a-z0-9_-]+", "_", folder.absolute().name.lower()).strip("_-")
    return name[:64] or "experiment"


def answers(given: Mapping[str, Any]) -> dict[str, Any]:
    """Ask on the terminal for each flag that was not given.

    Args:
        given: the value of each flag, or None where the flag was not given.

    Raises:
        ValueError: if there is no answer.
    """
    from rich.console import Console
    from rich.prompt import FloatPrompt, Prompt

    out, found = Console(stderr=True, highlight=False), dict(given)

    def ask(key: str, question: str, default: str, choices: tuple[str, ...] | None = None) -> None:
        if found[key] is None:
            known = list(choices) if choices else None
            found[key] = Prompt.ask(question, choices=known, default=default, console=out)

    try:
        ask("data", "images", "digits", (*KNOWN, *OWN))
        if found["data"] in OWN:
            what = "a folder of class folders" if found["data"] == "folder" else "a file or glob"
            ask("train", f"training images, {what}", "train")
            ask("test", "test images, likewise; none: 20 % are held out", "none")
        if found["minutes"] is None:
            found["minutes"] = FloatPrompt.ask(
                "minutes for the whole search", default=20.0, console=out
            )
        ask("algorithm", "algorithm", "nasgd", tuple(Algorithm))
        ask("device", "device", "cpu")
    except (EOFError, KeyboardInterrupt) as error:
        raise ValueError("init: no answer; nothing was written") from error
    return found | {"test": None if found["test"] == "none" else found["test"]}
