"""The charts of a front show each network at its place, with names that hide no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fronts import SIZES, write_front

from nasflow.charts import front_charts
from nasflow.charts.charts import png
from nasflow.charts.front_charts import Box, figures, placed, ticks
from nasflow.records.front import Network, front


@pytest.fixture
def networks(tmp_path: Path) -> tuple[Network, ...]:
    found = front(write_front(tmp_path / "nasgd/seed_0"))
    assert found is not None
    return found.networks


def test_each_cost_has_a_chart_with_the_networks_and_the_front(
    networks: tuple[Network, ...],
) -> None:
    charts = figures(networks)
    assert list(charts) == ["flash", "flops", "ram", "latency"]
    rows = charts["flops"].data["rows"]
    told = [(row["name"], row["cost"], row["accuracy"]) for row in rows]
    assert told == [(name, flops, accuracy) for name, accuracy, _, flops, *_ in SIZES]
    assert [row["front"] for row in rows] == [True, True, False, True, True]
    assert [row["found"] for row in rows] == [False, False, False, False, True]


def test_the_line_rises_in_steps_from_the_cheapest_network_to_the_edge(
    networks: tuple[Network, ...],
) -> None:
    chart = figures(networks)["latency"]
    steps = [(row["cost"], row["accuracy"]) for row in chart.data["steps"]]
    assert steps[:-1] == [(0.012, 0.87), (0.018, 0.935), (0.031, 0.965), (0.055, 0.97)]
    assert steps[-1][0] > 0.055 and steps[-1][1] == 0.97
    line = chart.spec["layer"][0]
    assert line["mark"]["interpolate"] == "step-after"


def test_what_was_not_measured_has_no_chart(networks: tuple[Network, ...]) -> None:
    bare = [one._replace(latency_int8=None, flash_int8=None) for one in networks]
    assert list(figures(bare)) == ["parameters", "flops", "ram"]
    some = [networks[0], networks[1]._replace(ram_int8=None)]
    assert [row["name"] for row in figures(some)["ram"].data["rows"]] == ["base"]


def test_a_front_of_any_size_is_drawn_with_the_same_bytes(networks: tuple[Network, ...]) -> None:
    equal = [one._replace(validation_accuracy=1.0) for one in networks[:2]]
    parts = (networks, networks, networks[:1], equal)
    first, again, *others = (png(figures(part)["flash"], scale=0.5) for part in parts)
    assert first == again
    assert all(picture.startswith(b"\x89PNG") for picture in (first, *others))


def test_names_hide_neither_one_another_nor_a_point_where_there_is_room() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        places = np.array([(x, y) for x in range(3) for y in range(3)])
        chosen = places[rng.permutation(len(places))[:7]]
        spots = [
            (50.0 + 100.0 * x, 35.0 + 60.0 * y) for x, y in chosen + rng.uniform(0, 0.2, (7, 2))
        ]
        names = ["prune 12"] * 7
        boxes = [
            front_charts._box(*spot, name, side)
            for spot, name, side in zip(spots, names, placed(spots, names, []), strict=True)
        ]
        marks = [Box(a - 4, b - 4, a + 4, b + 4) for a, b in spots]
        for i, box in enumerate(boxes):
            assert all(box.overlap(other) == 0 for other in (*boxes[:i], *marks))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (900.0, 26_000.0, [1000, 2000, 5000, 10_000, 20_000]),
        (0.009, 0.06, [0.01, 0.02, 0.05]),
        (1e3, 1e9, [1e3, 1e5, 1e7, 1e9]),
        (2100.0, 2300.0, [2100, 2200, 2300]),
        (2100.0, 2101.0, [2100]),
        (0.13, 0.27, [0.15, 0.2, 0.25]),
    ],
)
def test_ticks_are_few_round_numbers(low: float, high: float, expected: list[float]) -> None:
    found = ticks(low, high)
    assert all(low <= value <= high for value in found)
    assert found == expected
