"""The key `data.class_weights`: what may stand there, and the factor of each class that follows.

The factor of a class multiplies the loss of each of its images. The mean of the factors over the
training images is 1, so that a loss has the same scale with and without them, and step sizes keep
their meaning.
"""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic.config import JsonDict

from nasflow.config.section import refuse
from nasflow.printable import printable

ClassWeights: TypeAlias = str | Mapping[str, float]
NONE, BALANCED = "none", "balanced"
KEY = "data.class_weights"
LOW, HIGH = 0.001, 1000.0  # bounds of a weight
MOST = 10  # names of classes in a message
EXPECTED = "expected none, balanced or a mapping of class names to numbers"
SCHEMA: JsonDict = {
    "anyOf": [
        {"enum": [NONE, BALANCED, None]},
        {
            "type": "object",
            "additionalProperties": {"type": ["number", "null"], "minimum": LOW, "maximum": HIGH},
        },
    ]
}


def checked(raw: Any) -> ClassWeights:
    """Check the value of the key, as far as this is possible without the names of the classes.

    Args:
        raw: what stands in the file. null means none, as an entry of null takes a class out of the
            mapping of an earlier file. Names may be numbers: YAML reads the class 7 as one.
    """
    if raw is None or isinstance(raw, str):
        if raw not in (None, NONE, BALANCED):
            near = difflib.get_close_matches(raw, (NONE, BALANCED), n=1)
            raise refuse(EXPECTED + (f" (did you mean '{near[0]}'?)" if near else ""))
        return raw or NONE
    if not isinstance(raw, Mapping):
        raise refuse(EXPECTED)
    found: dict[str, float] = {}
    for name, weight in raw.items():
        if str(name) in found:
            raise refuse("the class stands twice", str(name), found=weight)
        if weight is not None:
            found[str(name)] = _weight(str(name), weight)
    return found or NONE


def _weight(name: str, raw: Any) -> float:
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if not number or not LOW <= raw <= HIGH:
        told = " without quotes, such as 2 or 1.0e+1" if isinstance(raw, str) else ""
        raise refuse(f"expected a number from {LOW:g} to {HIGH:g}{told}", name, found=raw)
    return float(raw)


def unknown(wanted: ClassWeights, classes: Sequence[object]) -> list[str]:
    """List the names that are not those of a class, one line for each.

    Args:
        wanted: the value of the key.
        classes: the classes of the images; their texts are their names.
    """
    names = {_form(str(name)): str(name) for name in classes}
    return list(_unknown(wanted, names)) if isinstance(wanted, Mapping) else []


def _unknown(wanted: Mapping[str, float], names: Mapping[str, str]) -> Iterator[str]:
    for name in wanted:
        if _form(name) in names:
            continue
        near = difflib.get_close_matches(_form(name), names, n=1)
        listed = [f"'{printable(known)}'" for known in names.values()]
        known = ", ".join(listed[:MOST]) + (f" ... ({len(listed)})" if len(listed) > MOST else "")
        guess = f" (did you mean '{printable(names[near[0]])}'?)" if near else ""
        quotes = "; in YAML, put such a name in quotes" if name in ("True", "False", "None") else ""
        yield f"{KEY}.{printable(name)}: unknown class; expected one of {known}{guess}{quotes}"


def factors(
    wanted: ClassWeights, classes: Sequence[object], counts: Sequence[int]
) -> list[float] | None:
    """Compute the factor of each class.

    With `balanced`, class c has n / (K n_c), where n_c of the n training images are of this class
    and K classes have training images (scikit-learn's class_weight="balanced"). A class that a
    mapping does not name has weight 1 before all weights are scaled.

    Args:
        wanted: the value of the key.
        classes: the classes; their texts are their names.
        counts: the number of training images of each class.

    Returns:
        The factors, whose mean over the training images is 1; None where all are equal, so that
        they change nothing.

    Raises:
        ValueError: if a name is not that of a class, with one line for each.
    """
    if lines := unknown(wanted, classes):
        raise ValueError("\n".join(lines))
    if isinstance(wanted, Mapping):
        given = {_form(name): weight for name, weight in wanted.items()}
        weights = [given.get(_form(str(name)), 1.0) for name in classes]
    elif wanted == BALANCED:
        largest = max(counts)
        weights = [largest / count if count else 1.0 for count in counts]
    else:
        return None
    pairs = list(zip(weights, counts, strict=True))
    if len({weight for weight, count in pairs if count}) < 2:
        return None
    mean = math.fsum(weight * count for weight, count in pairs) / sum(counts)
    return [weight / mean for weight in weights]


def _form(name: str) -> str:
    """Return the form in which names of classes are compared: NFC, as everywhere else."""
    return unicodedata.normalize("NFC", name)
