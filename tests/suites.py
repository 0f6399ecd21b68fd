"""Sittings of a suite, made up, and the suite that they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse

Errors = Mapping[str, Sequence[float]]  # method -> test errors of its seeds, per cent


def a_suite(sets: Sequence[str] = ("one", "two")) -> Experiment:
    length = {"methods": ["nasgd", "none"], "seconds": 40.0}
    suite = {"sets": {name: {} for name in sets}, "long": length, "short": {"methods": []}}
    parsed: Experiment = parse(Experiment, {"budget": {"rounds": 1}, "suite": suite})
    return parsed


def a_sitting(name: str, errors: Errors, seconds: float = 40.0) -> dict[str, Any]:
    """The content of sitting.json, where each method has these errors."""
    return {
        "schema": 1,
        "set": name,
        "host": "a processor, 2 cores",
        "machines": ["znver4"],
        "began": 1795929735.0,
        "ended": 1795929860.0,
        "runs": [
            {
                "seconds": seconds,
                "method": method,
                "seed": seed,
                "test_error": value / 100.0,
                "parameters": 1000,
                "rounds": 3,
                "recentred": 1,
                "seconds_total": seconds + 1.0,
                "own_line": 1.0 if method in ("none", "chain7") else 0.5,
            }
            for method, values in errors.items()
            for seed, value in enumerate(values)
        ],
    }
