"""What pydantic finds wrong is told as a person reads it, all at once and one line each."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from nasflow.config.base import Base
from nasflow.config.experiment import Experiment
from nasflow.config.reading import ConfigError, parse
from nasflow.config.search import Search
from nasflow.config.section import plain

ENOUGH = {"budget": {"rounds": 1}}


def problems(raw: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(Experiment, raw)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"search": {"n_neigh": 0}}, "search.n_neigh: 0; expected 1 to 100000"),
        ({"search": {"n_neigh": True}}, "search.n_neigh: True; expected a whole number"),
        ({"search": {"n_neigh": 8.0}}, "search.n_neigh: 8.0; expected a whole number (write 8)"),
        (
            {"search": {"lambda_start": "1e-3"}},
            "search.lambda_start: '1e-3'; expected a finite number"
            " (YAML reads 1e-3 as text; write 1.0e-3)",
        ),
        (
            {"search": {"optimizer": "muno"}},
            "search.optimizer: 'muno'; expected one of heavy_ball, sgd, muon"
            " (did you mean 'muon'?)",
        ),
        ({"search": {"optimizer": 3}}, "search.optimizer: 3; expected text"),
        ({"base": {"kernel": 4}}, "base.kernel: 4; expected one of 1, 3, 5, 7"),
        ({"base": {"kernel": True}}, "base.kernel: True; expected a whole number"),
        ({"base": {"widths": []}}, "base.widths: []; expected a list with at least one value"),
        ({"base": {"widths": 8}}, "base.widths: 8; expected a list with at least one value"),
        ({"base": {"widths": [8, 0]}}, "base.widths: 0; expected 1 to 8192"),
        ({"seeds": [1, 1]}, "seeds: [1, 1]; a value stands twice"),
        ({"data": None}, "data: None; expected a mapping of keys"),
        ({"data": {"size": "x"}}, "data.size: 'x'; expected a whole number or null"),
        ({"device": "gpu"}, "device: 'gpu'; expected text matching ^(cpu|cuda(:[0-9]+)?)$"),
        (
            {"search": {"morphisms": {"deepn": 1.0}}},
            "search.morphisms.deepn: unknown key; did you mean 'deepen'?",
        ),
        (
            {"search": {"morphisms": {"deepen": -1}}},
            "search.morphisms.deepen: -1; expected at least 0.0",
        ),
        (
            {"search": {"morphisms": 3}},
            "search.morphisms: 3; expected a mapping of names to numbers",
        ),
        (
            {"search": {"constraints": {"max_flops": 10**400}}},
            "search.constraints.max_flops: a number of 1329 bits; expected a finite number or null",
        ),
        (
            {"compare": {"ablations": {"-x": {}}}},
            "compare.ablations: '-x'; expected names matching",
        ),
    ],
)
def test_a_wrong_value_is_one_line(raw: dict[str, Any], said: str) -> None:
    found = problems({**ENOUGH, **raw})
    assert len(found) == 1
    assert found[0].startswith(said)


def test_all_problems_are_told_at_once_unknown_keys_before_values() -> None:
    found = problems({"search": {"beta": 0.0, "n_neighs": 3}, "sedes": [1], "threads": 0})
    assert [line.partition(":")[0] for line in found] == [
        "sedes",
        "threads",
        "search.n_neighs",
        "search.beta",
    ]


def test_what_is_wrong_between_keys_is_told_when_each_key_is_valid() -> None:
    found = problems({"pretrain": {"lambda_start": 0.1, "lambda_final": 0.2}})
    assert found == [
        "budget: no bound is set, the search would never end; set for example budget.rounds",
        "pretrain.lambda_final: 0.2; expected at most lambda_start, 0.1",
    ]


def test_names_left_out_of_a_mapping_keep_their_default() -> None:
    found = parse(Search, {"morphisms": {"deepen": 3}})
    assert found.morphisms == Search().morphisms | {"deepen": 3.0}


def test_a_section_is_frozen_and_its_plain_form_gives_it_back() -> None:
    found = parse(Search, {"n_neigh": 3, "optimizer": "muon"})
    with pytest.raises(ValidationError):
        found.n_neigh = 4  # type: ignore[misc]
    assert parse(Search, plain(found)) == found
    assert parse(Base, plain(Base())) == Base()
