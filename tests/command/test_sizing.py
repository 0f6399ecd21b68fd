"""The stages that `nasflow init` plans take the time that was given."""

from __future__ import annotations

import pytest

from nasflow.command.sizing import CHILDREN, lengths, narrowed, shape
from nasflow.command.survey import Survey

SPEED = 2e11


@pytest.mark.parametrize("minutes", [10, 20, 60, 600])
def test_the_stages_take_the_time_that_was_given(minutes: float) -> None:
    found = Survey(50_000, 10_000, (32, 32, 3), True, {str(i): 5000 for i in range(10)})
    shaped = narrowed(shape(found, minutes), 10, minutes, SPEED)
    sized = lengths(shaped, 10, minutes, SPEED)
    pretrain = 3 * shaped.base(10).flops * shaped.train * sized.pretrain_epochs
    mean = (shaped.base(10).flops + sized.max_flops) / 2
    images = 3 * shaped.batch + shaped.validation_batch
    search = sized.steps * (CHILDREN + 1) * mean * images
    seconds = (pretrain + search + sized.final_flops) / SPEED
    assert (0.7 if minutes <= 60 else 0.3) * 60 * minutes <= seconds <= 1.1 * 60 * minutes
    passes = sized.final_flops / (3 * sized.max_flops * shaped.train)
    assert passes >= 14  # even of the largest network that the search may find
