"""The texts of Snakemake's option --config are read as what the configuration wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nasflow.config.compare import merged
from nasflow.config.experiment import Experiment
from nasflow.config.files import experiment
from nasflow.config.options import typed
from nasflow.config.reading import ConfigError
from nasflow.config.section import plain

FILE = "budget: {rounds: 1}\n"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"budget": {"rounds": "2"}}, {"budget": {"rounds": 2}}),
        (
            {"budget": {"rounds": "null", "epochs": "1.5"}},
            {"budget": {"rounds": None, "epochs": 1.5}},
        ),
        ({"seeds": ["1", "-2"]}, {"seeds": [1, -2]}),
        ({"base": {"widths": ["8", "16"]}}, {"base": {"widths": [8, 16]}}),
        ({"search": {"lambda_start": "1e-3"}}, {"search": {"lambda_start": 1e-3}}),
        ({"search": {"n_neigh": "8"}}, {"search": {"n_neigh": 8}}),
        ({"tracking": {"enabled": "false"}}, {"tracking": {"enabled": False}}),
        ({"tracking": {"enabled": "Yes"}}, {"tracking": {"enabled": True}}),
        ({"data": {"train": "2024", "size": "16"}}, {"data": {"train": "2024", "size": 16}}),
        ({"data": {"split": "null"}}, {"data": {"split": None}}),
        (
            {"compare": {"ablations": {"short": {"search": {"n_neigh": "2"}}, "old": "null"}}},
            {"compare": {"ablations": {"short": {"search": {"n_neigh": 2}}, "old": None}}},
        ),
        (
            {"suite": {"sets": {"mine": {"data": {"size": "8", "source": "digits"}}}}},
            {"suite": {"sets": {"mine": {"data": {"size": 8, "source": "digits"}}}}},
        ),
        ({"device": "cuda", "threads": 2}, {"device": "cuda", "threads": 2}),
        ({"unknown": {"key": "1"}}, {"unknown": {"key": "1"}}),
        ({"budget": "5", "seeds": "1"}, {"budget": "5", "seeds": "1"}),
        ({"budget": {"rounds": "010"}}, {"budget": {"rounds": "010"}}),
        ({"budget": {"rounds": "nan"}}, {"budget": {"rounds": "nan"}}),
        ({"budget": {"rounds": {"x": "1"}}}, {"budget": {"rounds": {"x": "1"}}}),
        ({"budget": {"rounds": ["1"]}}, {"budget": {"rounds": ["1"]}}),
    ],
)
def test_texts_become_what_a_key_takes(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert typed(given) == wanted


def _texts(value: Any) -> Any:
    """What Snakemake makes of values inside of --config."""
    if isinstance(value, dict):
        return {name: _texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_texts(inner) for inner in value]
    return "null" if value is None else str(value)


def test_every_key_survives_as_text() -> None:
    whole = plain(Experiment.model_validate({"budget": {"rounds": 1}}))
    assert typed(_texts(whole)) == whole


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    return path


def test_options_are_laid_over_the_files(file: Path) -> None:
    config = merged({"budget": {"rounds": 1, "steps": 9}}, given := {"budget": {"rounds": "2"}})
    found = experiment([file], config, given)
    assert (found.budget.rounds, found.budget.steps) == (2, 9)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"budget": {"rounds": "two"}}, "budget.rounds: 'two'; expected a whole number or null"),
        ({"budget": {"rounds": "-1"}}, "budget.rounds: -1; expected 0 to 999999999"),
        ({"budget": {"rouns": "2"}}, "budget.rouns: unknown key; did you mean 'rounds'?"),
        ({"budget": 5}, "budget: 5; expected a mapping of keys"),
        ({"seeds": ["1", "x"]}, "seeds: 'x'; expected a whole number"),
        ({"data": {"split": "none.csv"}}, "data.split: none.csv; no file there"),
        ({"base": {"network": "nowhere"}}, "base.network: nowhere; no checkpoint there"),
    ],
)
def test_a_line_names_the_option_where_the_value_stands_there(
    file: Path, given: dict[str, Any], line: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        experiment([file], {"budget": {"rounds": 1}}, given)
    assert str(caught.value).startswith(f"--config: {line}")


def test_a_line_names_the_file_where_the_value_stands_there(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        experiment([file], {"threads": "x"}, {"budget": {"rounds": "two"}})
    lines = str(caught.value).split("\n")
    assert [line.split(":")[0] for line in lines] == [str(file), "--config"]
