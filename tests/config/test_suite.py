"""A suite is several experiments; what is wrong with one of them is told before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from snakemake.utils import update_config

from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Algorithm
from nasflow.config.reading import ConfigError, parse
from nasflow.config.section import plain
from nasflow.config.suite import absolute, experiment_name, tag

RAW: dict[str, Any] = {
    "budget": {"rounds": None, "network_epochs": 1e6},
    "compare": {"ablations": {"star": {"search": {"graph": "star"}}}},
    "suite": {
        "sets": {
            "mine": {"data": {"source": "folder", "train": "photos"}, "search": {"n_neigh": 3}},
            "digits": {},
        },
        "search": 0.25,
        "long": {"methods": ["nasgd", "none"], "seconds": 40.0, "seeds": [0, 1]},
        "short": {"methods": ["nasgd"], "seconds": 7.5, "seeds": [3]},
    },
}


def suite_of(**changes: Any) -> dict[str, Any]:
    return {**RAW, "suite": {**RAW["suite"], **changes}}


def test_a_set_is_an_experiment_of_its_own() -> None:
    whole = parse(Experiment, RAW)
    long, short = whole.suite.lengths
    found = whole.of_set("mine", long)
    assert (found.experiment, found.threads) == ("mine_40", 1)
    assert (found.algorithms, found.seeds) == ((Algorithm.NASGD, Algorithm.NONE), (0, 1))
    assert (found.budget.seconds, found.budget.network_epochs) == (10.0, 1e6)
    assert (found.final.total_seconds, found.final.epochs) == (40.0, None)
    assert (found.data.train, found.search.n_neigh) == ("photos", 3)
    assert not found.tracking.enabled and not found.suite.sets and not found.compare.ablations
    assert whole.of_set("digits", short).search == whole.search
    assert experiment_name("digits", short) == "digits_7_5"


def test_a_length_without_methods_is_left_out() -> None:
    found = parse(Experiment, suite_of(short={"methods": []}))
    assert [length.seconds for length in found.suite.lengths] == [40.0]


def test_a_file_over_another_takes_sets_out() -> None:
    raw = suite_of(sets={"a": {}, "b": {}})
    update_config(raw, {"suite": {"sets": {"a": None}}})
    assert list(parse(Experiment, raw).suite.sets) == ["b"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sets": {"nash": {}}}, "suite.sets: 'nash'; a folder of an experiment has this name"),
        ({"sets": {"a-b": {}}}, "suite.sets: 'a-b'; expected names matching"),
        ({"sets": {"a": {"seeds": [1]}}}, "suite.sets.a: {'seeds': [1]}; expected a mapping"),
        ({"sets": {"a": {"data": {"trian": "x"}}}}, "suite.sets.a.data.trian: unknown key; did"),
        ({"sets": {"a": {"data": {"source": "folder"}}}}, "suite.sets.a.data.train: null"),
        ({"long": {"methods": ["none"]}}, "suite.long.methods: none; expected nasgd among them"),
        ({"short": {"methods": ["nasgd"], "seconds": 40.0}}, "suite.short.seconds: 40; expected"),
        ({"long": {"methods": []}, "short": {"methods": []}}, "suite.long.methods: []; expected"),
        ({"long": {"seconds": 0.0}}, "suite.long.seconds: 0.0; expected more than 0"),
    ],
)
def test_a_wrong_suite_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(Experiment, suite_of(**changes))
    lines = str(error.value).splitlines()
    assert len(lines) == 1  # also where both lengths have the problem
    assert lines[0].startswith(message)


def test_paths_no_longer_depend_on_the_folder() -> None:
    data = {"source": "parquet", "train": "a/*.parquet", "test": "/b.parquet"}
    raw = absolute(plain(parse(Experiment, {"budget": {"rounds": 1}, "data": data})), Path("/top"))
    assert raw["data"]["train"] == "/top/a/*.parquet"
    assert (raw["data"]["test"], raw["data"]["root"]) == ("/b.parquet", "/top/data")
    assert (raw["data"]["split"], raw["base"]["network"]) == (None, None)


def test_seconds_are_a_part_of_names() -> None:
    assert [tag(seconds) for seconds in (360.0, 7.5, 0.25)] == ["360", "7_5", "0_25"]
