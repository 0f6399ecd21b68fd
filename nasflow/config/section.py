"""A section of the configuration: a frozen pydantic model whose keys have a meaning and bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
REFUSED = "refused"  # the type of errors whose message is already what a user reads
UNKNOWN = "unknown"  # the type of errors about a name that a mapping does not know


class Section(BaseModel):
    """The base of all sections: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def problems(self) -> list[str]:
        """List what is wrong between keys that are each valid, one line per problem."""
        return []


def key(
    default: Any,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    pattern: str | None = None,
    **options: Any,
) -> Any:
    """Describe one key of a section.

    Args:
        default: the value that it has where no file names the key.
        meaning: one line for people, which also stands in the JSON schema.
        low: the smallest allowed value.
        high: the largest allowed value.
        above: a value that the key must exceed.
        pattern: a regular expression that a text must match from its first to its last character.
        options: more options of pydantic's `Field`.

    Returns:
        What pydantic expects in the place of the default value of a field.
    """
    return Field(
        default, description=meaning, ge=low, le=high, gt=above, pattern=pattern, **options
    )


def choice(default: StrEnum, meaning: str) -> Any:
    """Describe a key whose values are the members of an enumeration, which files name by text."""
    return key(default, meaning, strict=False)


def refuse(message: str, *below: str, **found: Any) -> PydanticCustomError:
    """Make the error that a validator raises.

    Args:
        message: what the user reads behind the key and the value.
        below: the path from the key that is validated to the value that is wrong.
        found: `found=value`, where another value than that of the key is wrong.

    Returns:
        The error, for the caller to raise.
    """
    return PydanticCustomError(REFUSED, "{message}", {"message": message, "below": below, **found})


def different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list in which a value stands twice."""
    if len(set(values)) < len(values):
        raise refuse("a value stands twice")
    return values


def _no_truth(raw: Any) -> Any:
    """Refuse true and false, which Python counts as 1 and 0."""
    if isinstance(raw, bool):
        raise refuse("expected a whole number")
    return raw


Kernel = Annotated[Literal[1, 3, 5, 7], BeforeValidator(_no_truth)]  # size of a kernel, pixels


def one_of(names: Sequence[str]) -> AfterValidator:
    """Make a validator of a name in a mapping, which refuses every name that is not listed."""

    def known(name: str) -> str:
        if name not in names:
            raise PydanticCustomError(UNKNOWN, "unknown name", {"known": list(names)})
        return name

    return AfterValidator(known)


def over(defaults: Mapping[str, float]) -> BeforeValidator:
    """Make a validator of a mapping of names to numbers.

    A name that the mapping leaves out gets its number from `defaults`.
    """

    def complete(raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            raise refuse("expected a mapping of names to numbers")
        return {**defaults, **raw}

    return BeforeValidator(complete)


def named(names: Sequence[str], **bounds: float) -> JsonDict:
    """Say in a JSON schema which names a mapping may hold.

    Args:
        names: the names.
        bounds: keywords of JSON schema for the number of each name, such as minimum=0.0.

    Returns:
        The part of the schema that describes the mapping.
    """
    number: JsonDict = {"type": "number", **bounds}
    return {"additionalProperties": False, "properties": dict.fromkeys(names, number)}


def plain(section: Section) -> dict[str, Plain]:
    """Turn a section into dictionaries, lists and scalars, ready for JSON."""
    return section.model_dump(mode="json")
