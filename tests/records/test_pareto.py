"""The front of a cost holds the networks that no other one beats; the test images take no part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fronts import SIZES, write_front

from nasflow.config.kinds import Stored
from nasflow.records.front import Network, front
from nasflow.records.pareto import most_accurate, nearly_best, pareto, sentences


def networks(folder: Path, sizes: tuple[tuple[object, ...], ...] = SIZES) -> tuple[Network, ...]:
    found = front(write_front(folder / "nasgd/seed_0", sizes))
    assert found is not None
    return found.networks


def test_a_network_that_another_one_beats_is_not_on_the_front(tmp_path: Path) -> None:
    """`prune 1` is larger than `prune 2` and less accurate; in RAM `round 2` beats it."""
    for cost in ("parameters", "flops", "flash", "latency", "ram"):
        found = [one.name for one in pareto(networks(tmp_path), cost)]
        assert found == ["base", "prune 2", "round 2", "round 3"]


def test_costs_of_random_networks_rise_with_their_accuracy_along_the_front(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    facts = [
        (f"n {i}", float(rng.integers(80, 99)) / 100, *rng.integers(1, 20, 3).tolist(), 0.1)
        for i in range(30)
    ]
    every = networks(tmp_path, tuple(facts))
    for cost in ("parameters", "flops", "ram"):
        best = pareto(every, cost)
        pairs = [(one.cost(cost, Stored.INT8), one.validation_accuracy) for one in best]
        assert pairs == sorted(pairs) and best
        for one in every:
            beaten = any(
                rival.validation_accuracy >= one.validation_accuracy
                and rival.cost(cost, Stored.INT8) <= one.cost(cost, Stored.INT8)  # type: ignore[operator]
                for rival in best
            )
            assert beaten  # by itself where it is on the front


def test_a_network_whose_cost_is_not_known_is_on_no_front(tmp_path: Path) -> None:
    found = [one._replace(latency_int8=None) for one in networks(tmp_path)]
    assert pareto(found, "latency") == [] and len(pareto(found, "flops")) == 4


def test_the_order_of_accuracies_on_the_test_images_changes_nothing(tmp_path: Path) -> None:
    found = networks(tmp_path)
    other = [one._replace(test_accuracy=0.01 * i) for i, one in enumerate(found)]
    for cost in ("parameters", "latency"):
        names = [[one.name for one in pareto(part, cost)] for part in (found, other)]
        assert names[0] == names[1]


def test_the_smallest_network_within_one_point_is_told_with_its_size(tmp_path: Path) -> None:
    found = front(write_front(tmp_path / "nasgd/seed_0"))
    assert found is not None
    assert nearly_best(found.networks).name == "round 2"
    first, second = sentences(found)
    assert first == (
        "The smallest network within one point of the best is 'round 2': 96.50% with 9,800 "
        "parameters (9,840 bytes of flash in int8)."
    )
    assert second.startswith("The most accurate network on the 200 validation images is 'round 3'")


def test_equal_accuracies_are_settled_by_the_size(tmp_path: Path) -> None:
    found = networks(tmp_path)
    equal = [one._replace(validation_accuracy=0.9) for one in reversed(found)]
    assert most_accurate(equal).name == nearly_best(equal).name == "base"
    alone = front(tmp_path / "nasgd/seed_0")
    assert alone is not None
    said = sentences(alone._replace(networks=tuple(equal)))
    assert said[1] == "No smaller network is within one point of it."


@pytest.mark.parametrize("stored", Stored)
def test_without_flash_parameters_tell_the_size(tmp_path: Path, stored: Stored) -> None:
    none = {"flash_int8": None, "flash_float32": None}
    bare = [
        one._replace(**none, validation_accuracy=0.9, validation_accuracy_int8=0.9)
        for one in networks(tmp_path)
    ]
    assert most_accurate(bare, stored).name == "base"
