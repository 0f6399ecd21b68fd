"""Networks are ranked by accuracy, then by loss."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from nasflow.search.rung import ranked


@given(st.lists(st.tuples(st.floats(0, 9) | st.just(math.nan), st.floats(0, 1)), min_size=1))
def test_ranking_goes_by_accuracy_then_loss_and_puts_the_diverged_last(
    scores: list[tuple[float, float]],
) -> None:
    order = [scores[node] for node in ranked(dict(enumerate(scores)))]
    finite = [score for score in order if math.isfinite(score[0])]
    assert order[: len(finite)] == finite
    assert finite == sorted(finite, key=lambda score: (-score[1], score[0]))
