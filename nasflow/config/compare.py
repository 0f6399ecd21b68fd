"""The section `compare` of the configuration, and what an ablation changes in an experiment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic.config import JsonDict

from nasflow.config.kinds import Algorithm
from nasflow.config.section import Section, choice, key, refuse

SECTIONS = ("search", "baselines")
FILES = (
    *("runs.csv", "results.csv", "methods.csv", "ablations.csv", "checklist.csv"),
    *("anytime.png", "errors.png", "settings.json", "comparison.html", "comparison.md"),
    "files.json",  # the sha256 of the files above
)


NAME = r"^[a-z0-9][a-z0-9_]{0,63}$"  # of the name of an ablation, which is part of paths
Changes = Mapping[str, Mapping[str, Mapping[str, Any]]]  # name -> section -> key -> value


def schema_of_changes(known: Sequence[str]) -> JsonDict:
    """Say in a JSON schema what `changes` accepts, where `known` are the sections."""
    change: JsonDict = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {name: {"type": "object"} for name in known},
    }
    return {"type": ["object", "null"], "additionalProperties": change}


def changes(raw: Any, pattern: str, known: Sequence[str]) -> Any:
    """Check a mapping of names to the sections that differ; null takes a name out.

    The values of the options are checked later, by `Experiment.variant` or `Experiment.of_set`.

    Args:
        raw: what stands in the file; null means an empty mapping.
        pattern: the regular expression that a name must match.
        known: the sections that may differ.
    """
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise refuse("expected a mapping of names to sections")
    for name, sections in raw.items():
        if not re.fullmatch(pattern, str(name)):
            raise refuse(f"expected names matching {pattern}", found=name)
        if sections is not None and not _is_change(sections, known):
            raise refuse(
                f"expected a mapping with {' or '.join(known)}, each a mapping of keys, or null",
                str(name),
                found=sections,
            )
    return {str(name): sections for name, sections in raw.items() if sections is not None}


def _is_change(sections: Any, known: Sequence[str]) -> bool:
    return (
        isinstance(sections, Mapping)
        and set(sections) <= set(known)
        and all(isinstance(options, Mapping) for options in sections.values())
    )


class Compare(Section):
    """The target `compare`: all algorithms, and ablations of one, with every seed."""

    of: Algorithm = choice(Algorithm.NASGD, "algorithm that the ablations are of")
    ablations: Annotated[
        Changes, BeforeValidator(partial(changes, pattern=NAME, known=SECTIONS))
    ] = key(
        {},
        "name: sections with the options that differ",
        json_schema_extra=schema_of_changes(SECTIONS),
    )
    resamples: int = key(10_000, "samples of the paired bootstrap", low=100, high=10**7)
    level: float = key(0.95, "coverage of the intervals", above=0.5, high=0.9999)


def algorithm_of(name: str) -> Algorithm:
    """Return the algorithm of a method: `nasgd` for `nasgd` and for its ablation `nasgd-log`."""
    return Algorithm(name.partition("-")[0])


def names(compare: Compare) -> list[str]:
    """List the names of the ablations as they stand in paths, such as `nasgd-log`."""
    return [f"{compare.of}-{ablation}" for ablation in compare.ablations]


def overrides(compare: Compare, name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the options that a method changes.

    Args:
        compare: the section, which holds the ablations.
        name: an algorithm or an ablation, such as `nasgd-log`.

    Returns:
        The changed options by section; empty for an algorithm.
    """
    _, _, ablation = name.partition("-")
    return compare.ablations[ablation] if ablation else {}


def merged(section: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Lay options over a section; mappings inside are merged key by key.

    Args:
        section: the values before.
        options: the values that take the place of those of the same key.

    Returns:
        A new mapping; the arguments stay as they are.
    """
    result = dict(section)
    for name, value in options.items():
        inner = result.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        result[name] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def differences(options: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Yield one line for each value that differs, such as `search.potential: log`.

    Args:
        options: the values that differ; mappings may stand inside.
        where: the path of `options`, with a dot at its end, which stands before each key.
    """
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from differences(value, f"{where}{name}.")
        else:
            yield f"{where}{name}: {value}"
