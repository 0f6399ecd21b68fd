"""Reading a section from plain data: the section, or one line for each problem.

pydantic decides what is valid. This module writes its findings as a person reads them: the key,
the value that was found, what is allowed, and the nearest known name for one that is misspelt.
"""

from __future__ import annotations

import difflib
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from annotated_types import Ge, Gt, Le
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nasflow.config.section import REFUSED, UNKNOWN, Section
from nasflow.printable import printable, shown

KEY = "[key]"  # how pydantic marks that a name in a mapping is wrong, not its value
KINDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}
S = TypeVar("S", bound=Section)


class ConfigError(ValueError):
    """One line for each problem: the key, the value found, what is allowed, the remedy."""


class Spec(NamedTuple):
    """What a key may hold.

    Attributes:
        kind: the type of its values, without None.
        nullable: whether it may be null.
        metadata: the bounds of its values, as pydantic keeps them.
    """

    kind: Any
    nullable: bool
    metadata: Sequence[Any]


def parse(cls: type[S], raw: Any, where: str = "") -> S:
    """Read a section from plain data.

    Args:
        cls: the section's model.
        raw: mappings, lists and scalars, as YAML and JSON give them.
        where: the path of the section, which stands before each key in a message.

    Returns:
        The section, with defaults for all keys that `raw` does not name.

    Raises:
        ConfigError: lists every problem, one line for each.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(f"{where or 'config'}: {shown(raw)}; expected a mapping of keys")
    try:
        section = cls.model_validate(raw)
    except ValidationError as error:
        found = sorted(error.errors(include_url=False), key=lambda e: _place(cls, e))
        lines = [line for details in found for line in _lines(cls, details, where)]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error
    if problems := section.problems():
        raise ConfigError("\n".join(problems))
    return section


def _place(cls: type[Section], error: ErrorDetails) -> list[tuple[int, int]]:
    """Sort unknown keys of a section before its values, and those in the order of the model."""
    place = []
    model: Any = cls
    for part in error["loc"]:
        fields = list(model.model_fields) if is_section(model) else []
        if part not in fields:
            place.append((0, 0))
            break
        place.append((1, fields.index(str(part))))
        model = model.model_fields[part].annotation
    return place


def _lines(cls: type[Section], error: ErrorDetails, where: str) -> list[str]:
    """Return what a person reads about one finding of pydantic."""
    *parents, last = error["loc"]
    raw, kind = error["input"], error["type"]
    if kind in ("extra_forbidden", "invalid_key"):
        model = _field(cls, parents).kind
        name = last if isinstance(last, str) else shown(last)
        return [f"{_path(where, [*parents, name])}: unknown key; {_hint(last, model.model_fields)}"]
    if kind == UNKNOWN:
        known = error["ctx"]["known"]
        return [f"{_path(where, parents)}: unknown key; {_hint(parents[-1], known)}"]
    if last == KEY:
        return [f"{_path(where, parents)}: unknown key; expected text"]
    path = _path(where, error["loc"])
    if kind == "too_short" and raw:
        return []  # its items are wrong, and have lines of their own
    if kind == REFUSED:
        below = error["ctx"]["below"]
        found = error["ctx"].get("found", raw)
        return [f"{_path(path, below)}: {shown(found)}; {error['msg']}"]
    return [f"{path}: {shown(raw)}; expected {_expected(_field(cls, error['loc']), raw)}"]


def _field(cls: type[Section], path: Sequence[int | str]) -> Spec:
    """Describe what stands at a path: a section, a key, or an item of a list or mapping."""
    spec = Spec(cls, False, ())
    for part in path:
        if is_section(spec.kind):
            field = spec.kind.model_fields[part]
            spec = spec_of(field.annotation, field.metadata)
        else:
            items = typing.get_args(spec.kind)
            spec = spec_of(
                items[1] if issubclass(typing.get_origin(spec.kind), Mapping) else items[0]
            )
    return spec


def spec_of(hint: Any, metadata: Sequence[Any] = ()) -> Spec:
    """Describe what a value with this type hint may be."""
    if typing.get_origin(hint) is Annotated:
        inner, *more = typing.get_args(hint)
        parts = [item for part in more for item in getattr(part, "metadata", [part])]
        return spec_of(inner, [*metadata, *parts])
    if isinstance(hint, types.UnionType):
        kind = next(k for k in typing.get_args(hint) if k is not type(None))
        return Spec(kind, True, metadata)
    return Spec(hint, False, metadata)


def is_section(kind: Any) -> bool:
    """Return True where a kind of values is a section, and no scalar, list or mapping."""
    return isinstance(kind, type) and issubclass(kind, Section)


def _expected(spec: Spec, raw: Any) -> str:
    """Say what is allowed where `raw` was found."""
    if is_section(spec.kind):
        return "a mapping of keys"
    if typing.get_origin(spec.kind) is tuple:
        return "a list with at least one value"
    choices = _choices(spec.kind)
    plain = type(choices[0]) if choices else spec.kind
    if not _fits(raw, plain):
        return KINDS[plain] + (" or null" if spec.nullable else "") + _remedy(plain, raw)
    if choices:
        near = difflib.get_close_matches(raw, map(str, choices), n=1) if plain is str else []
        guess = f" (did you mean '{near[0]}'?)" if near else ""
        return f"one of {', '.join(map(str, choices))}{guess}"
    return _bounds(spec.metadata) or KINDS[plain]


def _choices(kind: Any) -> list[int | str]:
    if typing.get_origin(kind) is Literal:
        return list(typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [member.value for member in kind]
    return []


def _fits(raw: Any, kind: type) -> bool:
    """Return whether a value is of a kind, so that only its bounds can be wrong."""
    if isinstance(raw, bool) or kind is bool:
        return isinstance(raw, bool) and kind is bool
    if kind is float:
        return isinstance(raw, int | float) and abs(raw) <= sys.float_info.max
    return isinstance(raw, kind)


def _remedy(kind: type, raw: Any) -> str:
    """Say how a number has to be written, where it is only written wrongly."""
    if (
        kind in (int, float)
        and isinstance(raw, str)
        and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", raw)
    ):
        base, exponent = re.split("[eE]", raw)
        dotted = base if "." in base else base + ".0"
        sign = exponent if exponent[0] in "+-" else "+" + exponent
        return f" (YAML reads {raw} as text; write {dotted}e{sign})"
    if kind is int and isinstance(raw, float) and raw.is_integer():
        return f" (write {raw:.0f})"
    return ""


def _bounds(metadata: Sequence[Any]) -> str | None:
    """Say the range of a number, or the pattern of a text."""
    low = next((m.ge for m in metadata if isinstance(m, Ge)), None)
    high = next((m.le for m in metadata if isinstance(m, Le)), None)
    above = next((m.gt for m in metadata if isinstance(m, Gt)), None)
    pattern = next((p for m in metadata if (p := getattr(m, "pattern", None))), None)
    if pattern is not None:
        return f"text matching {pattern}"
    if above is not None and high is None:
        return f"more than {above}"
    if above is not None:
        return f"more than {above}, at most {high}"
    if low is not None:
        return f"{low} to {high}" if high is not None else f"at least {low}"
    return None


def _hint(name: object, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5) if isinstance(name, str) else []
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"


def _path(where: str, parts: Iterable[int | str]) -> str:
    """Return the path of a key in a message; places in a list are left out."""
    names = [printable(part) if isinstance(part, str) else None for part in parts]
    return ".".join([*([where] if where else []), *(name for name in names if name is not None)])
