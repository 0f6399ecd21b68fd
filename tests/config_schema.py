"""The schema of a configuration, for editors, as the dataclasses say it.

Run as a program it prints the file workflow/schemas/config.schema.yaml.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from nasflow.config.experiment import Experiment
from nasflow.config.schema import schema

SCHEMA = Path("workflow/schemas/config.schema.yaml")


def schema_text() -> str:
    """The whole file, whose first line names the command that writes it."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema(Experiment)}
    body = yaml.safe_dump(document, sort_keys=False, width=100)
    return f"# python tests/{Path(__file__).name} > {SCHEMA}\n{body}"


if __name__ == "__main__":
    print(schema_text(), end="")
