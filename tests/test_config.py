"""The configuration's three faces agree: dataclasses, the default file, the schema for editors.

Run as a program it prints the schema file.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from nasflow.config.experiment import Experiment, parse, plain, schema

ROOT = Path(__file__).parents[1]
SCHEMA = Path("workflow/schemas/config.schema.yaml")


def schema_text() -> str:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema(Experiment)}
    body = yaml.safe_dump(document, sort_keys=False, width=100)
    return f"# python tests/{Path(__file__).name} > {SCHEMA}\n{body}"


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


if __name__ == "__main__":
    print(schema_text(), end="")
