"""Reading frozen dataclasses from plain data, and their JSON schema.

Unknown keys are refused with the nearest known one; a wrong value is refused with its key, what was
found and what is allowed. All problems are reported at once. A dataclass may have a method
`problems()` for what lies between its keys.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from nasflow.printable import printable, shown

NAME = r"^[a-z0-9][a-z0-9_]{0,63}$"


class ConfigError(ValueError):
    """One line a problem: key, value found, what is allowed, remedy."""


def key(default: Any, meaning: str, **bounds: Any) -> Any:
    """A field with its meaning and bounds: low, high, above (exclusive), choices, pattern, keys;
    overrides: names -> these sections -> anything, checked where they are used."""
    metadata = {"meaning": meaning, **bounds}
    if isinstance(default, list | dict):
        frozen = tuple(default) if isinstance(default, list) else default
        return field(default_factory=lambda: frozen, metadata=metadata)
    return field(default=default, metadata=metadata)


def parse(cls: type, raw: Any, where: str = "") -> Any:
    """An instance of the section `cls` from plain data; ConfigError lists every problem."""
    problems: list[str] = []
    result = _section(cls, raw, where, problems)
    if not problems and hasattr(result, "problems"):
        problems += result.problems()
    if problems:
        raise ConfigError("\n".join(problems))
    return result


def plain(section: Any) -> Any:
    """The inverse of `parse`: dicts, lists and scalars, ready for JSON."""
    return dataclasses.asdict(section)


def schema(cls: type) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a section, unknown keys refused."""
    hints = typing.get_type_hints(cls)
    properties = {f.name: _field_schema(hints[f.name], f) for f in dataclasses.fields(cls)}
    doc = (cls.__doc__ or "").strip()
    return {
        "type": "object",
        "description": doc,
        "additionalProperties": False,
        "properties": properties,
    }


# --- reading ---------------------------------------------------------------------------------


def _section(cls: type, raw: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(raw, Mapping):
        problems.append(f"{where or 'config'}: {shown(raw)}; expected a mapping of keys")
        return None
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls)}
    for name in raw:
        if name not in known:
            problems.append(f"{_join(where, name)}: unknown key; {_hint(name, known)}")
    values = {
        name: _value(hints[name], known[name], raw[name], _join(where, name), problems)
        for name in known
        if name in raw
    }
    return None if problems else cls(**values)


def _hint(name: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5) if isinstance(name, str) else []
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"


def _value(
    hint: Any, spec: dataclasses.Field[Any], raw: Any, where: str, problems: list[str]
) -> Any:
    if dataclasses.is_dataclass(hint):
        return _section(typing.cast(type, hint), raw, where, problems)
    if spec.metadata.get("keys"):
        return _weights(spec, raw, where, problems)
    if spec.metadata.get("overrides"):
        return _overrides(spec, raw, where, problems)
    if typing.get_origin(hint) is tuple:
        if not isinstance(raw, list | tuple) or not raw:
            problems.append(f"{where}: {shown(raw)}; expected a list with at least one value")
            return ()
        inner = typing.get_args(hint)[0]
        if (inner is not int or where == "seeds") and len(set(map(shown, raw))) < len(raw):
            problems.append(f"{where}: {shown(raw)}; a value stands twice")
        return tuple(_scalar(inner, spec, item, where, problems) for item in raw)
    return _scalar(hint, spec, raw, where, problems)


def _weights(spec: dataclasses.Field[Any], raw: Any, where: str, problems: list[str]) -> Any:
    """A mapping name -> number; names left out keep their default."""
    if not isinstance(raw, Mapping):
        problems.append(f"{where}: {shown(raw)}; expected a mapping of names to numbers")
        return {}
    names = spec.metadata["keys"]
    result = dict(spec.default_factory())  # type: ignore[operator]
    for name, value in raw.items():
        if name not in names:
            problems.append(f"{_join(where, name)}: unknown key; {_hint(name, names)}")
        else:
            result[name] = _scalar(float, spec, value, _join(where, name), problems)
    return result


def _overrides(spec: dataclasses.Field[Any], raw: Any, where: str, problems: list[str]) -> Any:
    """A mapping name -> section -> options; the names are parts of paths. A file that lies over
    another takes a name out, or all of them, by null."""
    known = spec.metadata["overrides"]
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        problems.append(f"{where}: {shown(raw)}; expected a mapping of names to sections")
        return {}
    for name, sections in raw.items():
        if not re.fullmatch(NAME, str(name)):
            problems.append(f"{where}: {shown(name)}; expected names matching {NAME}")
        elif sections is not None and (
            not isinstance(sections, Mapping)
            or not set(sections) <= set(known)
            or not all(isinstance(options, Mapping) for options in sections.values())
        ):
            problems.append(
                f"{_join(where, name)}: {shown(sections)}; expected a mapping with"
                f" {' or '.join(known)}, each a mapping of keys, or null"
            )
    return {name: sections for name, sections in raw.items() if sections is not None}


def _scalar(
    hint: Any, spec: dataclasses.Field[Any], raw: Any, where: str, problems: list[str]
) -> Any:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if raw is None and type(None) in kinds:
        return None
    kind = next(k for k in kinds if k is not type(None))
    ok = {
        bool: isinstance(raw, bool),
        int: isinstance(raw, int) and not isinstance(raw, bool),
        float: isinstance(raw, int | float) and not isinstance(raw, bool),
        str: isinstance(raw, str),
    }[kind]
    if not ok or (kind is float and not _finite(raw)):
        problems.append(f"{where}: {shown(raw)}; expected {_expected(kind, kinds, raw)}")
        return raw
    value = float(raw) if kind is float else raw
    problem = _out_of_bounds(spec.metadata, value)
    if problem:
        problems.append(f"{where}: {shown(raw)}; expected {problem}")
    return value


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond all floats
        return False


def _expected(kind: type, kinds: tuple[Any, ...], raw: Any) -> str:
    name = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}[
        kind
    ]
    if type(None) in kinds:
        name += " or null"
    if (
        kind in (int, float)
        and isinstance(raw, str)
        and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", raw)
    ):
        base, exponent = re.split("[eE]", raw)
        dotted = base if "." in base else base + ".0"
        sign = exponent if exponent[0] in "+-" else "+" + exponent
        name += f" (YAML reads {raw} as text; write {dotted}e{sign})"
    if kind is int and isinstance(raw, float) and raw.is_integer():
        name += f" (write {raw:.0f})"
    return name


def _out_of_bounds(bounds: Mapping[str, Any], value: Any) -> str | None:
    if "choices" in bounds and value not in bounds["choices"]:
        names = map(str, bounds["choices"])
        near = difflib.get_close_matches(value, names, n=1) if isinstance(value, str) else []
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        return f"one of {', '.join(map(str, bounds['choices']))}{hint}"
    if "pattern" in bounds and not re.fullmatch(bounds["pattern"], value):
        return f"text matching {bounds['pattern']}"
    low, high, above = (bounds.get(k) for k in ("low", "high", "above"))
    if (low is not None and value < low) or (high is not None and value > high):
        return (
            f"{low if low is not None else above} to {high}"
            if high is not None
            else f"at least {low}"
        )
    if above is not None and value <= above:
        return f"more than {above}"
    return None


def _join(where: str, name: Any) -> str:
    text = printable(name) if isinstance(name, str) else shown(name)
    return f"{where}.{text}" if where else text


# --- schema ----------------------------------------------------------------------------------


def _field_schema(hint: Any, spec: dataclasses.Field[Any]) -> dict[str, Any]:
    if dataclasses.is_dataclass(hint):
        return schema(typing.cast(type, hint))
    meta = spec.metadata
    entry: dict[str, Any] = {"description": meta["meaning"]}
    entry["default"] = plain_default(spec)
    if meta.get("keys"):
        one = {"type": "number", **_bounds(meta)}
        return entry | {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: one for name in meta["keys"]},
        }
    if meta.get("overrides"):
        sections = {
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {name: {"type": "object"} for name in meta["overrides"]},
        }
        return entry | {"type": ["object", "null"], "additionalProperties": sections}
    if typing.get_origin(hint) is tuple:
        inner = _scalar_schema(typing.get_args(hint)[0], meta)
        return entry | {"type": "array", "minItems": 1, "items": inner}
    return entry | _scalar_schema(hint, meta)


def plain_default(spec: dataclasses.Field[Any]) -> Any:
    """A field's default as YAML shows it."""
    if spec.default is not dataclasses.MISSING:
        return spec.default
    value = spec.default_factory()  # type: ignore[operator]
    return list(value) if isinstance(value, tuple) else dict(value)


def _scalar_schema(hint: Any, meta: Mapping[str, Any]) -> dict[str, Any]:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    allowed = [names[k] for k in kinds]
    choices = {"enum": list(meta["choices"])} if "choices" in meta else {}
    pattern = {"pattern": meta["pattern"]} if "pattern" in meta else {}
    return {
        "type": allowed[0] if len(allowed) == 1 else allowed,
        **choices,
        **pattern,
        **_bounds(meta),
    }


def _bounds(meta: Mapping[str, Any]) -> dict[str, Any]:
    words = {"low": "minimum", "high": "maximum", "above": "exclusiveMinimum"}
    return {word: meta[name] for name, word in words.items() if name in meta}
