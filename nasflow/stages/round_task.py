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
from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.config.section import Plain, plain
from nasflow.search.recipe import Sections
from nasflow.stages.finished_round import round_inputs
from nasflow.stages.stage_inputs import described, fitting, section, sections_of
from nasflow.storage.attempt import inputs


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
    """

    method: str
    algorithm: Algorithm
    sections: Sections
    search: Search
    budget: Budget
    seed: int
    number: int
    weights: dict[str, Plain]

    @property
    def names(self) -> dict[str, str | int]:
        """The facts that tell this round from others."""
        return {"algorithm": self.method, "seed": self.seed, "round": self.number}

    @property
    def title(self) -> str:
        """The name of the round for people."""
        return f"{self.method} seed {self.seed} round {self.number}"


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
    sections = {name: plain(part) for name, part in task.sections._asdict().items()}
    sections |= task.weights
    read = inputs(*round_inputs(data, parent, task.search.timed))
    return {"stage": "search_round", **task.names, "config": sections, "inputs": read}
