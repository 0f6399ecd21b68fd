"""Newer keys that are off are not told, so that they make no stage of older results run again."""

from __future__ import annotations

from nasflow.config.experiment import Experiment
from nasflow.config.newer import NEWER, told, told_of_training
from nasflow.config.reading import parse
from nasflow.config.section import plain
from nasflow.config.training import Final

BUDGET = {"budget": {"rounds": 1}}


def test_a_newer_key_is_told_only_where_it_is_set() -> None:
    assert {name for names in NEWER.values() for name in names} >= {"front", "max_ram", "prune"}
    default = told(parse(Experiment, BUDGET))
    assert "prune" not in default and "ram_weight" not in default["search"]  # type: ignore[operator]
    search = {"ram_weight": 0.5, "constraints": {"max_ram": 9}}
    given = {"search": search, "prune": {"rounds": 1}, **BUDGET}
    found = told(parse(Experiment, given))
    assert found["search"]["ram_weight"] == 0.5  # type: ignore[index,call-overload]
    assert found["search"]["constraints"]["max_ram"] == 9  # type: ignore[index,call-overload]
    assert found["prune"] == plain(parse(Experiment, given).prune)


def test_what_is_told_means_the_same_experiment() -> None:
    for given in ({}, {"final": {"front": 4}}, {"search": {"morphisms": {"narrow_all": 0.5}}}):
        experiment = parse(Experiment, {**BUDGET, **given})
        assert parse(Experiment, told(experiment)) == experiment


def test_a_training_is_told_of_its_teacher_and_never_of_the_front() -> None:
    final = Final(front=5, distillation=0.5, temperature=2.0)
    assert told_of_training(final) == told_of_training(Final())
    assert told_of_training(final, taught=True)["temperature"] == 2.0
    assert told_of_training(Final(epochs=1.0)) != told_of_training(Final())
