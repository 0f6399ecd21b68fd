"""Every configuration that `nasflow init` writes is accepted and says what was derived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from nasflow.config import files as config_file
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Algorithm, Precision
from nasflow.planning.augmenting import Changes
from nasflow.planning.choices import Choice
from nasflow.planning.experiment_files import config_text, profile_text, readme_text, snakefile_text
from nasflow.planning.sizing import CHILDREN, PORTFOLIO, Lengths, shape
from nasflow.planning.survey import Survey
from nasflow.planning.symmetry import Symmetry

WHERE = Path("/photos/it's {x} #1")
TOLD = Symmetry(0.812, 0.2, 0.123, 0.789, 0.7, 500)
FOUND = Survey(900, 100, (28, 28, 1), True, {"a": 900})
SIZED = Lengths(300.0, 90.0, 0.5, 1.5, 30.0)
UNVARIED = Changes(False, False)


def chosen(**own: Any) -> Choice:
    made = Choice("mine", "folder", WHERE, WHERE, 5.0, "nasagd", "cpu", 4)
    return made._replace(**own)


def written(
    choice: Choice,
    found: Survey = FOUND,
    changes: Changes = UNVARIED,
    precision: Precision = Precision.FLOAT32,
    sized: Lengths = SIZED,
) -> str:
    shaped = shape(found)
    return config_text(choice, shaped, sized, precision, changes)


def read(text: str) -> Experiment:
    experiment: Experiment = config_file.experiment([], yaml.safe_load(text))
    return experiment


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    classes = draw(st.integers(2, 200))
    images = draw(st.integers(10 * classes, 10**6))
    side = st.integers(8, 600)
    size = (draw(side), draw(side), draw(st.sampled_from([1, 3])))
    counts = {str(i): images // classes for i in range(classes)}
    return Survey(images, draw(st.sampled_from([0, 100])), size, draw(st.booleans()), counts)


@settings(deadline=None)
@given(
    surveys(),
    st.floats(2, 1e4),
    st.sampled_from(
        [("cpu", Precision.FLOAT32), ("cpu", Precision.BFLOAT16), ("cuda", "bfloat16")]
    ),
    st.builds(Changes, st.booleans(), st.booleans(), st.booleans(), st.sampled_from([None, TOLD])),
    st.sampled_from([5.0, 50.0]),
)
def test_any_survey_and_time_give_a_config_that_is_accepted(
    found: Survey,
    minutes: float,
    machine: tuple[str, Precision],
    changes: Changes,
    passes: float,
) -> None:
    device, precision = machine
    choice = chosen(minutes=minutes, device=device)
    sized = SIZED._replace(passes=passes)
    experiment = read(written(choice, found, changes, precision, sized))
    shaped = shape(found)
    assert experiment.data.train == experiment.data.test == str(WHERE)
    assert experiment.data.size == shaped.size
    assert (experiment.budget.seconds, experiment.budget.rounds) == (SIZED.search, None)
    assert experiment.final.total_seconds == SIZED.total
    assert experiment.augment.flip == changes.flip
    small = changes.coarse and sized.small(shaped)
    assert experiment.final.resize == (0.7 if small else 1.0)
    assert experiment.final.resize_until == 0.35
    assert experiment.augment.shift == (shaped.shift if changes.shift else 0)
    assert experiment.search.batch_size == experiment.final.batch_size == shaped.batch
    assert experiment.search.validation_batch_size == shaped.validation_batch
    sections = (experiment.pretrain, experiment.search, experiment.final)
    assert {(s.precision, s.optimizer) for s in sections} == {(precision, "muon")}
    assert (experiment.device, experiment.threads) == (device, choice.threads)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_algorithm_can_be_asked_for(algorithm: str) -> None:
    experiment = read(written(chosen(algorithm=algorithm)))
    assert experiment.algorithms == (algorithm,)
    assert experiment.base.portfolio == tuple(f"{name}_x1.5" for name in PORTFOLIO)
    assert experiment.pretrain.epochs == 0.0
    assert experiment.baselines.n_neigh == experiment.search.n_neigh + 1 == CHILDREN + 1


def test_a_comment_says_what_the_quick_classifier_saw() -> None:
    text = written(chosen(), changes=Changes(False, True, True, TOLD))
    said = "a quick classifier is right in 81%, and then in "
    (flip,) = (line for line in text.splitlines() if line.startswith("  flip: false # "))
    (shift,) = (line for line in text.splitlines() if line.startswith("  shift: 1 # "))
    assert flip.endswith(said + "12%") and shift.endswith(said + "79%")
    assert "quick classifier" not in written(chosen(), changes=Changes(True, True))


def test_a_source_without_files_has_no_paths() -> None:
    data = yaml.safe_load(written(chosen(source="digits", train=None, test=None)))["data"]
    assert data == {"source": "digits"}


def test_readme_and_snakefile_name_the_folders() -> None:
    workflow = Path("/clone/it's/workflow/Snakefile")
    assert f"include: {str(workflow)!r}" in snakefile_text(workflow)
    text = readme_text(chosen(), Path("/here/my leaves"), workflow, Path("/venv/bin"))
    assert "cd '/here/my leaves'" in text
    assert "/venv/bin/snakemake --cores 4 final_model" in text
    assert "nasflow show results/mine/nasagd/seed_0" in text


def test_searches_share_the_file() -> None:
    text = written(chosen(seeds=3, baseline="chain7", validation=WHERE, size=48))
    experiment = read(text)
    assert experiment.algorithms == ("nasagd", "chain7")
    assert experiment.seeds == (0, 1, 2)
    assert experiment.data.validation == str(WHERE)
    assert "5 minutes in all, shared by 6 trainings" in text
    assert profile_text(own=True).count("configfile: [config.yaml, own.yaml]") == 1


def test_short_runs_have_no_mirror() -> None:
    assert not read(written(chosen(minutes=5.0))).tracking.enabled
    assert read(written(chosen(minutes=20.0))).tracking.enabled
