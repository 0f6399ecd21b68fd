"""A child is rebuilt from its parent and from the row that a round left of it."""

from __future__ import annotations

from typing import Any

import pytest
from quick import base_network, round_of, setting_of

from nasflow.architecture.templates import TEMPLATES, chain
from nasflow.records.offspring import offspring

PARENT = base_network().architecture


@pytest.mark.parametrize("options", [{}, {"moves": "compound", "n_morphisms": 1}])
def test_every_child_of_a_round_is_rebuilt(options: dict[str, Any]) -> None:
    rows = round_of("nash", setting_of(3, **options)).architectures[1:]
    assert len(rows) > 3
    for row in rows:
        child = offspring(PARENT, row["morphism"], row["site"], row["fingerprint"])
        assert child is not None and child.fingerprint == row["fingerprint"]
        assert (child.parameters, child.flops) == (row["parameters"], row["flops"])


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_network_of_a_portfolio_is_rebuilt_from_its_name(name: str) -> None:
    g = TEMPLATES[name]((1, 8, 8), 3)
    assert offspring(PARENT, name, "", g.fingerprint) == g
    assert offspring(PARENT, name, "", "0" * 16) is None
    other = chain((4, 4), 3, (3, 16, 16), 3)  # images of another size
    assert offspring(other, name, "", g.fingerprint) is None


def test_what_cannot_be_rebuilt_is_none() -> None:
    row = round_of("nash", setting_of(3)).architectures[1]
    for morphism, site in (("unknown", "1"), (row["morphism"], "99"), ("deepen", "x")):
        assert offspring(PARENT, morphism, site, row["fingerprint"]) is None
    assert offspring(PARENT, row["morphism"], row["site"], "0" * 16) is None
