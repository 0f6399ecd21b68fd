"""What Snakemake's option `--config` gives: texts, which are read as what the configuration wants.

Snakemake 9 reads each number, truth value and null inside of `--config 'budget={rounds: 2}'` as
text. Where a key takes a number, and its text is one, it is read as that number here. A text that
is none stays as it is, and is refused by the line that also says `--config` and no name of a file.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from typing import Any

from nasflow.config.compare import Changes
from nasflow.config.experiment import Experiment
from nasflow.config.reading import Spec, is_section, spec_of

OPTION = "--config"
NULLS = ("null", "Null", "NULL", "~", "")
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
WHOLE = re.compile(r"[+-]?(0|[1-9][0-9]{0,399})")
DECIMAL = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def typed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read the texts of `--config` as numbers, truth values and null where a key takes these.

    Args:
        given: mappings, lists and scalars, as Snakemake gives them.

    Returns:
        The same with other scalars. Unknown keys, and texts that do not fit, stay as they are.
    """
    result: dict[str, Any] = _value(Spec(Experiment, False, ()), given)
    return result


def source(line: str, options: Mapping[str, Any]) -> str | None:
    """Return OPTION where the value that a line complains about stands in it, and else None.

    Args:
        line: a problem, which begins with the path of its key, such as `budget.rounds: 'x'; ...`.
        options: what `--config` gives.
    """
    inside: Any = options
    for part in line.partition(": ")[0].split("."):
        if not isinstance(inside, Mapping):
            break
        if part not in inside:
            return None
        inside = inside[part]
    return OPTION


def _value(spec: Spec, raw: Any) -> Any:
    if isinstance(raw, str):
        return _scalar(spec, raw)
    if isinstance(raw, Mapping):
        return {name: _below(spec.kind, name, value) for name, value in raw.items()}
    if isinstance(raw, list) and typing.get_origin(spec.kind) is tuple:
        items = spec_of(typing.get_args(spec.kind)[0])
        return [_value(items, item) for item in raw]
    return raw


def _below(kind: Any, name: str, raw: Any) -> Any:
    """Read what stands under a name in a section or in a mapping."""
    if kind == Changes:  # each name has sections of an experiment
        return _value(Spec(Experiment, True, ()), raw)
    if is_section(kind):
        field = kind.model_fields.get(name)
        return raw if field is None else _value(spec_of(field.annotation, field.metadata), raw)
    if isinstance(origin := typing.get_origin(kind), type) and issubclass(origin, Mapping):
        return _value(spec_of(typing.get_args(kind)[1]), raw)
    return raw


def _scalar(spec: Spec, text: str) -> Any:
    """Read a text: as null, a truth value or a number where these are wanted."""
    if spec.nullable and text in NULLS:
        return None
    choices = typing.get_args(spec.kind) if typing.get_origin(spec.kind) is typing.Literal else ()
    kind = type(choices[0]) if choices else spec.kind
    if kind is bool:
        return TRUTHS.get(text.lower(), text)
    if kind in (int, float):
        if WHOLE.fullmatch(text):
            return int(text)
        if DECIMAL.fullmatch(text):
            return float(text)
    return text
