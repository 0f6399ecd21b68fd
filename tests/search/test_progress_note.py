"""The note of a step names the fullest node and draws every node."""

from __future__ import annotations

import numpy as np

from nasflow.search.progress_note import bars, progress_note


def test_a_progress_note_names_the_fullest_and_draws_every_node() -> None:
    counts = np.array([10, 0, 80, 10])
    said = progress_note(
        ["parent", "widen", "deepen", "shallow"], counts, np.array([1, 2, 0.5, 4]), 0.05
    )
    assert said == "▁ █▁ leader 2 deepen with 80%, loss 0.500, tau 0.05"
    assert bars(np.array([0, 0])) == "  "
