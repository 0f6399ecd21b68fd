"""The section `compare` of the configuration, and what an ablation makes of an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nasflow.config.sections import key

SECTIONS = ("search", "baselines")
FILES = (
    *("runs.csv", "results.csv", "methods.csv", "ablations.csv", "checklist.csv"),
    *("anytime.png", "errors.png", "settings.json", "comparison.html", "comparison.md"),
    "files.json",  # their sha256
)


@dataclass(frozen=True)
class Compare:
    """The target `compare`: all algorithms, and ablations of one, with every seed."""

    of: str = key("nasgd", "algorithm that the ablations are of")
    ablations: Mapping[str, Mapping[str, Any]] = key(
        {}, "name: sections with the options that differ", overrides=SECTIONS
    )
    resamples: int = key(10_000, "of the paired bootstrap", low=100, high=10**7)
    level: float = key(0.95, "coverage of the intervals", above=0.5, high=0.9999)


def algorithm_of(name: str) -> str:
    """`nasgd` of `nasgd` and of its ablation `nasgd-log`."""
    return name.partition("-")[0]


def names(compare: Compare) -> list[str]:
    """The ablations as they stand in paths: `nasgd-log`."""
    return [f"{compare.of}-{ablation}" for ablation in compare.ablations]


def overrides(compare: Compare, name: str) -> Mapping[str, Any]:
    """Section -> options that differ, of an algorithm (none do) or an ablation."""
    _, _, ablation = name.partition("-")
    return compare.ablations[ablation] if ablation else {}


def merged(section: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The section with the options in it, mappings key by key."""
    result = dict(section)
    for name, value in options.items():
        inner = result.get(name)
        both = isinstance(inner, Mapping) and isinstance(value, Mapping)
        result[name] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def differences(options: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """`search.potential: log`, a line a value."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from differences(value, f"{where}{name}.")
        else:
            yield f"{where}{name}: {value}"
