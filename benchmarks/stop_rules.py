"""The stop rules that `selection.py` compares: nasflow's, the paper's, and variants of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nasflow.config.kinds import Algorithm
from nasflow.config.reading import parse
from nasflow.config.search import Search

PAPER: dict[str, Any] = {"scaling": "paper", "warmup_steps": 0, "validation": "independent"}
AROUND_AUTO: dict[str, list[Any]] = {
    "confidence": [1.0, 1.5, 2.0, 2.5, 3.0, 4.0],
    "scaling": ["tied"],
    "min_lead": [0.0, 0.01, 0.02],
    "mobility": [0.1, 0.25, 0.9],
    "warmup_steps": [0, 10, 20, 30, 100],
    "window": [25, 50, 200],
    "particles": [100, 100_000],
    "beta": [2.0, 3.0],
    "potential": ["log"],
    "graph": ["star"],
}
AROUND_PAPER: dict[str, list[Any]] = {
    "window": [1, 10, 25, 50, 200],
    "kappa": [10.0, 50.0],
    "beta": [2.0, 3.0],
    "particles": [100, 100_000],
    "warmup_steps": [30, 50],
}
FRICTIONS = [0.0, 0.5, 1.0, 2.0]
Rule = tuple[str, Search, Algorithm]


def stop_rules(base: str) -> Iterator[Rule]:
    """List (name, section `search`, algorithm): a stop rule, and variants with one changed option.

    Args:
        base: `auto`, the default rule, or `paper`, the rule of the paper.
    """
    options, around = {"auto": ({}, AROUND_AUTO), "paper": (PAPER, AROUND_PAPER)}[base]

    def changed(**changes: Any) -> Search:
        return parse(Search, options | changes, "search")

    yield base, changed(), Algorithm.NASGD
    for key, values in around.items():
        for value in values:
            shown = value if isinstance(value, str) else f"{value:g}"
            yield f"{base}, {key} {shown}", changed(**{key: value}), Algorithm.NASGD
    for friction in FRICTIONS:
        for confidence in [1.75, 3.0] if base == "auto" else [1.75]:
            name = f"{base}, nasagd, friction {friction:g}"
            name += f", confidence {confidence:g}" if base == "auto" else ""
            search = changed(second_order={"friction": friction}, confidence=confidence)
            yield name, search, Algorithm.NASAGD
