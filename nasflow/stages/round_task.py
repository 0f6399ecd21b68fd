"""The task of a round: what determines its result, besides its images and its parent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from nasflow.config.base import Base
from nasflow.config.baselines import Baselines
from nasflow.config.budget import Budget
from nasflow.config.compare import algorithm_of
from nasflow.config.data import Augment
from nasflow.config.kinds import Algorithm
from nasflow.config.prune import Prune
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.config.section import Plain, plain
from nasflow.search.recipe import Sections, pruning_algorithm
from nasflow.search.status import NO_TOTALS
from nasflow.stages.finished_round import round_inputs
from nasflow.stages.stage_inputs import described, fitting, section, sections_of
from nasflow.storage.attempt import inputs
from nasflow.storage.files import read_json

SEARCH, PRUNE = "search_round", "prune_round"  # the stages that run a round


class Task(NamedTuple):
    """What determines the result of a round, besides its images and its parent.

    Attributes:
        method: an algorithm or an ablation, such as `nasgd-log`.
        algorithm: the algorithm of the method.
        sections: the sections of the configuration that a round needs.
        search: the section `search`, as the algorithm has it.
        budget: the bounds of the search.
        seed: the seed of the search.
        number: the number of the round, from 1.
        weights: the class weights, by the name of their key; empty where there are none.
        stage: search_round, or prune_round.
    """

    method: str
    algorithm: Algorithm
    sections: Sections
    search: Search
    budget: Budget
    seed: int
    number: int
    weights: dict[str, Plain]
    stage: str = SEARCH

    @property
    def names(self) -> dict[str, str | int]:
        """The facts that tell this round from others."""
        return {"algorithm": self.method, "seed": self.seed, "round": self.number}

    @property
    def title(self) -> str:
        """The name of the round for people."""
        kind = "round" if self.stage == SEARCH else "prune"
        return f"{self.method} seed {self.seed} {kind} {self.number}"

    @property
    def of(self) -> str:
        """How many rounds there will be, as `/12`; empty where nobody knows."""
        prune = self.sections.prune
        count = self.budget.rounds if prune is None else prune.rounds
        return f"/{count}" if count else ""

    def totals(self, parent: Path) -> dict[str, float]:
        """Read what the rounds before took; prune rounds begin to count anew.

        Args:
            parent: stem of the checkpoint that the round starts from.

        Raises:
            CorruptFile: if the record beside it is missing or damaged.
        """
        if self.stage == PRUNE and self.number == 1:
            return NO_TOTALS
        return read_json(parent.with_name("status.json")).get("totals") or NO_TOTALS


def round_task(config: str, method: str, budget: str, seed: int, number: int) -> Task:
    """Check the sections that a round gets, and put its task together.

    Args:
        config: the sections search, baselines, augment and base as JSON.
        method: an algorithm or an ablation, such as `nasgd-log`.
        budget: the section budget as JSON.
        seed: the seed of the search.
        number: the number of the round, from 1.

    Raises:
        ValueError: if a section holds an unknown key or a value that is not allowed.
    """
    raw, algorithm = sections_of(config), algorithm_of(method)
    sections = Sections(
        section(Search, raw, "search"),
        section(Baselines, raw, "baselines"),
        section(Augment, raw, "augment"),
        section(Base, raw, "base"),
    )
    bounds = parse(Budget, json.loads(budget), "budget")
    own = sections.of(algorithm)
    return Task(method, algorithm, sections, own, bounds, seed, number, described(raw))


def prune_task(config: str, method: str, seed: int, number: int) -> Task:
    """Check the sections that a prune round gets, and put its task together.

    Behind the search of a baseline, which has no particles, prune rounds are those of NASGD.

    Args:
        config: the sections search, prune and augment as JSON.
        method: an algorithm or an ablation, such as `nasgd-log`.
        seed: the seed of the search.
        number: the number of the round, from 1.

    Raises:
        ValueError: if a section holds an unknown key or a value that is not allowed.
    """
    raw, algorithm = sections_of(config), pruning_algorithm(algorithm_of(method))
    sections = Sections(
        section(Search, raw, "search"),
        Baselines(),
        section(Augment, raw, "augment"),
        prune=section(Prune, raw, "prune"),
    )
    own = sections.of(algorithm)
    return Task(method, algorithm, sections, own, Budget(), seed, number, described(raw), PRUNE)


def fitted_task(task: Task, train: int, validation: int) -> Task:
    """Lower the batch sizes of a round to the number of images.

    Args:
        task: the task, as the configuration gives it.
        train: the number of training images.
        validation: the number of validation images.
    """
    search = fitting(task.sections.search, "search", train, validation, task.number == 1)
    sections = task.sections._replace(search=search)
    return task._replace(sections=sections, search=sections.of(task.algorithm))


def identity(task: Task, data: Path, parent: Path) -> dict[str, object]:
    """Return what the result of a round depends on, as plain data.

    Args:
        task: the task, as the configuration gives it.
        data: folder of the prepared images.
        parent: stem of the checkpoint that the round starts from.

    Raises:
        CorruptFile: if a record of the inputs is missing.
    """
    sections: dict[str, object]
    parts = task.sections._asdict().items()
    sections = {name: plain(part) for name, part in parts if part is not None}
    sections |= task.weights
    read = inputs(*round_inputs(data, parent, task.search.timed))
    return {"stage": task.stage, **task.names, "config": sections, "inputs": read}
