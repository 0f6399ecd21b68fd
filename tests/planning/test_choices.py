"""Any folder gives a name that an experiment may have."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from nasflow.config import files as config_file
from nasflow.planning.choices import named


@settings(deadline=None)
@given(st.text())
def test_any_folder_gives_a_name_that_an_experiment_may_have(text: str) -> None:
    clean = text.replace("/", "").replace("\0", "") or "x"
    config_file.experiment([], {"experiment": named(Path("/tmp") / clean), "budget": {"rounds": 1}})
