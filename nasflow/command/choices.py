"""What a person wants of a new experiment: from flags or, on a terminal, from answers."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nasflow.command.survey import KNOWN
from nasflow.config.experiment import ALGORITHMS
from nasflow.printable import shown

OWN = ("folder", "parquet")
MINUTES = (2.0, 10_000.0)


class Choice(NamedTuple):
    """Paths are absolute; `name` is the experiment's."""

    name: str
    source: str
    train: Path | None
    test: Path | None
    minutes: float
    algorithm: str
    device: str
    cores: int

    @property
    def threads(self) -> int:
        """Of a stage. The final training fills two: its batches have two shards."""
        return min(self.cores, 2)


def choice(folder: Path, given: Mapping[str, Any]) -> Choice:
    """Flags (None: not given), completed by answers or defaults; ValueError names the flag."""
    if given["data"] is None:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise ValueError(f"--data: missing; expected one of {', '.join((*KNOWN, *OWN))}")
        given = answers(given)
    source, algorithm = given["data"], given["algorithm"] or "nasgd"
    device, minutes = (
        given["device"] or "cpu",
        20.0 if given["minutes"] is None else given["minutes"],
    )
    for flag, value, known in (
        ("data", source, (*KNOWN, *OWN)),
        ("algorithm", algorithm, ALGORITHMS),
    ):
        if value not in known:
            raise ValueError(f"--{flag}: {shown(value)}; expected one of {', '.join(known)}")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise ValueError(f"--device: {shown(device)}; expected cpu, cuda or cuda:N")
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise ValueError(f"--minutes: {minutes:g}; expected {MINUTES[0]:g} to {MINUTES[1]:g}")
    if source in OWN and given["train"] is None:
        raise ValueError(f"--train: missing; expected the images, since --data is {source}")
    for flag in ("train", "test"):
        if source not in OWN and given[flag] is not None:
            raise ValueError(f"--{flag}: {shown(given[flag])}; --data {source} has its own images")
    cores = _cores() if given["cores"] is None else given["cores"]
    if cores < 1:
        raise ValueError(f"--cores: {cores}; expected 1 or more")
    train, test = (Path(given[k]).absolute() if given[k] else None for k in ("train", "test"))
    return Choice(named(folder), source, train, test, minutes, algorithm, device, cores)


def _cores() -> int:
    """That this process may use, where the system tells."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def named(folder: Path) -> str:
    """An experiment's name from a folder's."""
    name = re.sub(r"[^a-z0-9_-]+", "_", folder.absolute().name.lower()).strip("_-")
    return name[:64] or "experiment"


def answers(given: Mapping[str, Any]) -> dict[str, Any]:
    """The flags, with answers where there were none."""
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
            ask("test", "test images, the same; none: 20 % are held out", "none")
        if found["minutes"] is None:
            found["minutes"] = FloatPrompt.ask("minutes for all", default=20.0, console=out)
        ask("algorithm", "algorithm", "nasgd", ALGORITHMS)
        ask("device", "device", "cpu")
    except (EOFError, KeyboardInterrupt) as error:
        raise ValueError("init: no answer; nothing was written") from error
    return found | {"test": None if found["test"] == "none" else found["test"]}
