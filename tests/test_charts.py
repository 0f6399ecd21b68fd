"""Charts: thinned but not averaged, the free energy the one of the theory, claims that follow."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nasflow.charts import round_charts, search_charts
from nasflow.charts.charts import CHILDREN, colours, png, rounded
from nasflow.charts.round_curves import round_curves
from nasflow.config.experiment import Search, plain
from nasflow.particles import flow
from nasflow.records.intervals import wilson
from nasflow.records.timeline import Look
from nasflow.report import trust
from nasflow.report.parts import data_block, pack
from nasflow.storage.tables import PARTICLES

NAMES = ["0 parent", "1 widen", "2 deepen"]
SEARCH = plain(Search())


def _particles(steps: int, *, nodes: int = 3, w: float = 0.5) -> pa.Table:
    """Particles that go from the parent to the last node, at losses that stand still."""
    rows = []
    V = np.linspace(1.0, 0.7, nodes)
    for step in range(1, steps + 1):
        share = np.full(nodes, 0.1)
        share[0] = 1.0 - 0.8 * step / steps
        share /= share.sum()
        for node in range(nodes):
            rows.append(
                dict.fromkeys(PARTICLES.names)
                | {"step": step, "k": step, "node": node, "count": 10, "share": share[node]}
                | {"validation_loss": V[node], "energy": w * share[node] + V[node], "tau": 0.1}
                | {"train_loss": 1.0, "weight": w, "standard_error": 0.01, "phi": 0.0}
                | {"moved": int(step > steps // 2), "restarted": False}
            )
    return pa.Table.from_pylist(rows, schema=PARTICLES)


def test_long_rounds_are_thinned_to_records_with_both_ends() -> None:
    particles = _particles(5000)
    found = round_curves(particles, NAMES, 2, most=100, search=SEARCH)
    assert len(found.rows) == 300 and len(found.steps) == 100
    assert (found.rows[0]["step"], found.rows[-1]["step"]) == (1, 5000)
    records = {(row["step"], row["node"]): row for row in particles.to_pylist()}
    for row in found.rows:
        assert row["share"] == rounded(records[row["step"], row["node"]]["share"])
    whole = data_block(pack(round_charts.figures(found)))
    assert len(whole) < 60_000, "tables stand once, not once a chart"


@pytest.mark.parametrize("kind", ["power", "log"])
@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_the_energy_is_the_slope_of_the_free_energy(kind: str, beta: float) -> None:
    """dF/df_i = w U'(f_i) + V_i, by finite differences of what the chart shows."""
    from nasflow.charts.round_curves import entropy

    f = np.array([0.5, 0.3, 0.2])
    search = {"potential": kind, "beta": beta}
    step = 1e-6
    slope = (entropy(f + step, search) - entropy(f - step, search)) / (2 * step)
    assert slope == pytest.approx(flow.potential(f, kind, beta), rel=1e-6)


def test_free_energy_and_mean_loss_are_told_together_and_not_without_a_configuration() -> None:
    row = round_curves(_particles(10), NAMES, 2, most=10, search=SEARCH).steps[-1]
    last = _particles(10).to_pylist()[-3:]
    f, V = (np.array([r[name] for r in last]) for name in ("share", "validation_loss"))
    assert row["mean_loss"] == rounded(float(f @ V))
    assert row["free_energy"] == rounded(float(0.5 * (f**2 / 2).sum() + f @ V))
    without = round_curves(_particles(10), NAMES, 2, most=10)
    assert "free_energy" not in round_charts.figures(without)


def test_a_bad_child_does_not_flatten_the_others() -> None:
    particles = _particles(100).to_pylist()
    for row in particles:
        if row["node"] == 1:
            row |= {"validation_loss": 40.0, "share": 0.001}
    table = pa.Table.from_pylist(particles, schema=PARTICLES)
    found = round_curves(table, NAMES, 2, most=100, search=SEARCH)
    text = json.dumps(round_charts.losses(found).spec)
    low, high = json.loads(text[text.index('"domain": [0') + 10 :].split("]")[0] + "]")
    assert low < 0.7 and 1.0 < high < 1.1


def test_the_parent_is_grey_and_who_won_is_green_alone() -> None:
    found = colours([str(i) for i in range(40)], winner=7)
    assert found.count(found[7]) == found.count(found[0]) == 1 and found[7] not in CHILDREN


def test_pictures_are_pngs_with_the_same_bytes() -> None:
    looks = [Look(1.0, 0.5, "pretraining", "epoch 1"), Look(3.0, 0.6, "search", "round 1", True)]
    first, second = (png(search_charts.accuracy(looks), scale=0.5) for _ in range(2))
    assert first == second and first.startswith(b"\x89PNG")


def test_confusions_count_every_image_once() -> None:
    rng = np.random.default_rng(0)
    label, predicted = rng.integers(0, 5, (2, 400))
    rows = search_charts.confusion(label.tolist(), predicted.tolist(), list("abcde")).data["rows"]
    assert sum(row["images"] for row in rows) == 400
    assert sum(row["images"] for row in rows if row["right"]) == (label == predicted).sum()


def test_wilson_holds_the_true_share_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    for share in (0.5, 0.9, 0.99):
        found = (wilson(int(right), 359) for right in rng.binomial(359, share, 4000))
        held = np.mean([low <= share <= high for _, low, high in found])
        assert 0.93 < held < 0.985
    assert wilson(10, 10).high == pytest.approx(1.0) and 0.6 < wilson(10, 10).low < 1.0


class _Story:
    """As much of a story as claims look at."""

    algorithm, summary, predictions, rounds, pretrain, final = "nasgd", {}, object(), (), None, None

    def __init__(self, error: float | None) -> None:
        self.metrics: Any = error and {
            "test_images": 100,
            "test_error": error,
            "test_accuracy": 1.0 - error,
        }


def _keys(error: float | None, others: list[_Story], facts: dict[str, Any]) -> set[str]:
    mine = _Story(error)
    return {claim.key for claim in trust.claims(mine, [mine, *others], facts, None)}  # type: ignore[arg-type,list-item]


def test_claims_follow_from_the_records() -> None:
    alone = _keys(0.1, [], {})
    assert {"single_seed", "no_baseline", "test_interval"} <= alone
    assert "seeds" in _keys(0.1, [_Story(0.2)], {}) and "single_seed" not in _keys(
        0.1, [_Story(0.2)], {}
    )
    none = _Story(0.3)
    none.algorithm = "none"
    assert "no_baseline" not in _keys(0.1, [none], {})
    assert "duplicates" in _keys(0.1, [], {"duplicates": {"test": 3}})
    assert "no_duplicates" in _keys(0.1, [], {"duplicates": {"test": 0}})
    assert "unfinished" in _keys(None, [], {}) and "test_interval" not in _keys(None, [], {})
