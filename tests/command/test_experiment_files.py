"""Every configuration that `nasflow init` writes is accepted."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nasflow.command.choices import Choice
from nasflow.command.experiment_files import config_text
from nasflow.command.sizing import lengths, narrowed, shape
from nasflow.command.survey import Survey
from nasflow.config import files as config_file


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    classes = draw(st.integers(2, 200))
    images = draw(st.integers(10 * classes, 10**6))
    side = st.integers(8, 600)
    size = (draw(side), draw(side), draw(st.sampled_from([1, 3])))
    counts = {str(i): images // classes for i in range(classes)}
    return Survey(images, draw(st.sampled_from([0, 100])), size, draw(st.booleans()), counts)


@settings(deadline=None)
@given(surveys(), st.floats(2, 1e4), st.floats(1e9, 1e15), st.booleans())
def test_any_survey_time_and_speed_give_a_config_that_is_accepted(
    found: Survey, minutes: float, speed: float, gpu: bool
) -> None:
    device = "cuda" if gpu else "cpu"
    where = Path("/photos/it's {x} #1")
    chosen = Choice("mine", "folder", where, where, minutes, "nasagd", device, 4)
    shaped = narrowed(shape(found, minutes), len(found.classes), minutes, speed)
    sized = lengths(shaped, len(found.classes), minutes, speed)
    text = config_text(chosen, shaped, sized, None if gpu else speed)
    experiment = config_file.experiment([], yaml.safe_load(text))
    assert experiment.data.train == str(where)
    assert experiment.budget.flops is not None
    assert experiment.budget.flops > shaped.base(len(found.classes)).flops
    assert shaped.batch <= shaped.train and shaped.validation_batch <= shaped.validation
