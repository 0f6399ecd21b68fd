"""One bad child does not flatten the curves of the others."""

from __future__ import annotations

import json

import pyarrow as pa
from particle_table import NAMES, SEARCH, particle_table

from nasflow.charts import round_charts
from nasflow.charts.round_curves import round_curves
from nasflow.storage.tables import PARTICLES


def test_a_bad_child_does_not_flatten_the_others() -> None:
    particles = particle_table(100).to_pylist()
    for row in particles:
        if row["node"] == 1:
            row |= {"validation_loss": 40.0, "share": 0.001, "count_after": 1}
    table = pa.Table.from_pylist(particles, schema=PARTICLES)
    found = round_curves(table, NAMES, 2, most=100, search=SEARCH)
    text = json.dumps(round_charts.losses(found).spec)
    low, high = json.loads(text[text.index('"domain": [0') + 10 :].split("]")[0] + "]")
    assert low < 0.7 and 1.0 < high < 1.1
