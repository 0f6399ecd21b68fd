"""The story of a search has every architecture that was recorded."""

from __future__ import annotations

from pathlib import Path

from nasflow.records.story import story


def test_every_child_is_drawn_as_the_architecture_that_was_recorded(tiny: Path) -> None:
    for algorithm in ("nasgd", "nash"):
        for found in story(tiny, algorithm, 0).rounds:
            assert found.nodes
            drawn = [graph and graph.fingerprint for graph in found.graphs]
            assert drawn == [row["fingerprint"] for row in found.nodes]
