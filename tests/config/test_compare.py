"""An ablation is the algorithm with other options, and a wrong one is refused."""

from __future__ import annotations

from typing import Any

import pytest
from snakemake.utils import update_config

from nasflow.config.compare import names
from nasflow.config.experiment import Experiment
from nasflow.config.reading import ConfigError, parse


def test_an_ablation_is_the_algorithm_with_other_options() -> None:
    raw = {
        "compare": {"ablations": {"few": {"search": {"particles": 7, "morphisms": {"widen": 0}}}}}
    }
    experiment = parse(Experiment, raw | {"budget": {"rounds": 1}})
    own, plain = experiment.variant("nasgd-few").search, experiment.variant("nasgd").search
    assert (own.particles, plain.particles) == (7, 1000)
    assert own.morphisms == {**plain.morphisms, "widen": 0.0}
    assert experiment.variant("nash") == experiment


@pytest.mark.parametrize(("over", "left"), [(None, []), ({"few": None}, ["nasgd-star"])])
def test_a_file_over_another_takes_ablations_out(over: Any, left: list[str]) -> None:
    ablations = {"few": {"search": {"particles": 7}}, "star": {"search": {"graph": "star"}}}
    raw = {"budget": {"rounds": 1}, "compare": {"ablations": ablations}}
    update_config(raw, {"compare": {"ablations": over}})
    assert names(parse(Experiment, raw).compare) == left


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        (
            {"ablations": {"x": {"search": {"partikles": 7}}}},
            "compare.ablations.x.search.partikles",
        ),
        ({"ablations": {"x": {"final": {}}}}, "compare.ablations.x: {'final': {}}; expected"),
        ({"ablations": {"a-b": {}}}, "expected names matching"),
        ({"of": "nasdg"}, "compare.of: 'nasdg'; expected one of nasgd"),
    ],
)
def test_a_wrong_ablation_is_refused(compare: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(Experiment, {"budget": {"rounds": 1}, "compare": compare})
    assert message in str(error.value)
