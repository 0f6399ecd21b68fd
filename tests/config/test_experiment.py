"""The dataclasses, the default file and the schema for editors describe one configuration."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from config_schema import SCHEMA, schema_text
from places import ROOT

from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.config.schema import schema
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


def test_the_default_config_is_valid_by_parser_and_by_schema() -> None:
    parse(Experiment, default_config())
    pytest.importorskip("jsonschema").validate(default_config(), schema(Experiment))
