"""The dataclasses, the default file and the schema for editors describe one configuration."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from config_schema import SCHEMA, schema_text
from places import ROOT

from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Moves, Template
from nasflow.config.prune import Prune
from nasflow.config.reading import ConfigError, parse
from nasflow.config.schema import schema
from nasflow.config.search import NEGATIVE, SHRINKING, Search
from nasflow.config.section import plain


def default_config() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return loaded


def keys(section: Mapping[str, Any], where: str = "") -> Iterator[str]:
    for name, value in section.items():
        yield f"{where}{name}"
        if isinstance(value, Mapping):
            yield from keys(value, f"{where}{name}.")


def test_the_schema_file_is_what_the_dataclasses_say() -> None:
    assert (ROOT / SCHEMA).read_text() == schema_text()


def test_the_default_config_shows_every_key() -> None:
    assert list(keys(default_config())) == list(
        keys(plain(parse(Experiment, {"budget": {"rounds": 1}})))
    )


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            {"base": {"portfolio": ["chain6"], "network": "a/b"}, "pretrain": {"epochs": 0.0}},
            "base.portfolio: expected [] together with base.network",
        ),
        (
            {"base": {"portfolio": ["chain6"]}, "pretrain": {"epochs": 2.0}},
            "pretrain.epochs: 2.0; expected 0 with base.portfolio, whose networks all begin with "
            "random weights in round 1",
        ),
        (
            {"algorithms": ["nash", "race"]},
            "base.portfolio: race needs two networks or more, such as [chain6, chain7]",
        ),
        (
            {
                "algorithms": ["race"],
                "base": {"portfolio": ["chain6"]},
                "pretrain": {"epochs": 0.0},
            },
            "base.portfolio: race needs two networks or more, such as [chain6, chain7]",
        ),
    ],
)
def test_a_portfolio_that_cannot_begin_a_search_is_refused(
    raw: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as error:
        parse(Experiment, {"budget": {"rounds": 1}, **raw})
    assert str(error.value) == problem


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"base": {"portfolio": ["chain9"]}}, "chain9"),
        ({"base": {"portfolio": ["chain6", "chain6"]}}, "a value stands twice"),
        ({"base": {"portfolio_part": 0.0}}, "base.portfolio_part: 0.0; expected more than 0.0"),
        ({"base": {"portfolio_part": 1.5}}, "base.portfolio_part: 1.5; expected"),
        ({"augment": {"crop": 0.0}}, "augment.crop: 0.0; expected 0.05 to 1.0"),
        ({"augment": {"colour": 1.5}}, "augment.colour: 1.5; expected 0.0 to 1.0"),
        ({"augment": {"erase": -0.1}}, "augment.erase: -0.1; expected 0.0 to 1.0"),
        ({"augment": {"mixup": float("nan")}}, "augment.mixup: nan; expected a finite number"),
        ({"augment": {"cutmix": 11}}, "augment.cutmix: 11; expected 0.0 to 10.0"),
        ({"augment": {"color": 0.2}}, "augment.color: unknown key; did you mean 'colour'?"),
        ({"final": {"schedule": "line"}}, "final.schedule: 'line'; expected one of cosine, linear"),
        ({"final": {"resize": 0.2}}, "final.resize: 0.2; expected 0.25 to 1.0"),
        (
            {"final": {"resize": 0.7, "epochs": None, "flops": 1e9}},
            "final.resize: 0.7; expected 1 together with final.flops",
        ),
        ({"search": {"equal": "time"}}, "search.equal: 'time'; expected one of steps, flops"),
    ],
)
def test_a_wrong_choice_is_refused(raw: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(Experiment, {"budget": {"rounds": 1}, "pretrain": {"epochs": 0.0}, **raw})
    assert problem in str(error.value) and "\n" not in str(error.value)


def test_a_portfolio_is_a_list_of_templates() -> None:
    names = ["resnet20", "airbench"]
    raw = {"base": {"portfolio": names}, "algorithms": ["race"], "pretrain": {"epochs": 0}}
    base = parse(Experiment, {"budget": {"rounds": 1}, **raw}).base
    assert base.portfolio == (Template.RESNET20, Template.AIRBENCH)
    assert plain(base)["portfolio"] == names


def test_the_default_config_is_valid_by_parser_and_by_schema() -> None:
    parse(Experiment, default_config())
    pytest.importorskip("jsonschema").validate(default_config(), schema(Experiment))


def test_prune_rounds_have_their_own_keys_and_draw_what_makes_smaller() -> None:
    search = parse(Search, {"n_neigh": 9, "n_morphisms": 3, "size_weight": 0.0, "window": 7})
    own = Prune(n_neigh=2, size_weight=0.5).over(search)
    assert (own.n_neigh, own.size_weight, own.n_morphisms, own.window) == (2, 0.5, 1, 7)
    assert {name for name, weight in own.drawn.items() if weight} == set(SHRINKING)
    single = Prune(moves=Moves.SINGLE).over(search)
    assert {n for n, w in single.drawn.items() if w} == set(NEGATIVE) - set(SHRINKING)
    assert not any(search.morphisms[name] for name in SHRINKING), "a search draws none of them"
