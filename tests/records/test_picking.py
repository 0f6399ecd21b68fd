"""The choice keeps every bound, goes by validation accuracy and cost, and by nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fronts import write_front

from nasflow.config.kinds import Stored
from nasflow.records.front import Network, front
from nasflow.records.picking import Bounds, breaks, pick


@pytest.fixture
def networks(tmp_path: Path) -> tuple[Network, ...]:
    found = front(write_front(tmp_path / "nasgd/seed_0"))
    assert found is not None
    return found.networks


@pytest.mark.parametrize(
    ("bounds", "chosen"),
    [
        (Bounds(), "round 3"),
        (Bounds(flash=10_000), "round 2"),
        (Bounds(latency=0.02), "prune 2"),
        (Bounds(ram=2_048), "round 2"),
        (Bounds(parameters=9_799), "prune 2"),
        (Bounds(flops=40_000), "base"),
        (Bounds(accuracy=0.93), "prune 2"),
        (Bounds(accuracy=0.966), "round 3"),
        (Bounds(latency=0.02, stored=Stored.FLOAT32), None),
        (Bounds(flash=5_000, stored=Stored.FLOAT32), "base"),
        (Bounds(accuracy=0.96, flash=9_000), None),
    ],
)
def test_the_choice_is_the_best_within_the_bounds(
    networks: tuple[Network, ...], bounds: Bounds, chosen: str | None
) -> None:
    found = pick(networks, bounds)
    assert (found.chosen.name if found.chosen else None) == chosen
    assert (found.nearest is None) == (found.chosen is not None)


def test_no_choice_breaks_a_bound_and_no_better_network_is_left(
    networks: tuple[Network, ...],
) -> None:
    rng = np.random.default_rng(1)
    chosen = 0
    for _ in range(300):
        one, other = (networks[rng.integers(len(networks))] for _ in range(2))
        bounds = Bounds(
            latency=other.latency_int8 if rng.random() < 0.5 else None,
            flash=float(rng.integers(1_000, 30_000)) if rng.random() < 0.5 else None,
            accuracy=one.validation_accuracy if rng.random() < 0.5 else None,
        )
        found = pick(networks, bounds)
        fitting = [one for one in networks if not breaks(one, bounds)]
        if found.chosen is None:
            assert not fitting and found.nearest in networks
            continue
        chosen += 1
        assert found.chosen in fitting
        if bounds.accuracy is None:
            key = max(one.validation_accuracy for one in fitting)
            assert found.chosen.validation_accuracy == key
        else:
            assert found.chosen.latency_int8 == min(one.latency_int8 or 0 for one in fitting)
    assert 50 < chosen < 300


def test_the_test_images_decide_nothing(networks: tuple[Network, ...]) -> None:
    without = [one._replace(test_accuracy=None, test_accuracy_int8=None) for one in networks]
    turned = [one._replace(test_accuracy=0.5, test_accuracy_int8=0.1) for one in networks]
    for bounds in (Bounds(), Bounds(accuracy=0.9), Bounds(flash=4_000)):
        names = [pick(part, bounds).chosen for part in (networks, without, turned)]
        assert len({one.name for one in names if one}) == 1


def test_without_all_latencies_flash_tells_which_network_is_cheapest(
    networks: tuple[Network, ...],
) -> None:
    some = [networks[1]._replace(latency_int8=None), *networks[2:]]
    found = pick(some, Bounds(accuracy=0.9))
    assert (found.chosen, found.why) == (some[0], "the least flash")
    bare = [one._replace(latency_int8=None, flash_int8=None) for one in networks]
    found = pick(bare, Bounds(accuracy=0.9))
    assert (found.chosen, found.why) == (bare[1], "the fewest parameters")


def test_what_was_not_measured_keeps_no_bound(networks: tuple[Network, ...]) -> None:
    bare = [one._replace(latency_int8=None) for one in networks]
    found = pick(bare, Bounds(latency=5.0))
    assert found.chosen is None
    assert [one.text for one in found.broken[0]] == ["latency not measured"]


def test_the_nearest_network_breaks_fewest_bounds_by_the_smallest_part(
    networks: tuple[Network, ...],
) -> None:
    found = pick(networks, Bounds(accuracy=0.99, ram=4_096))
    assert found.nearest is not None and found.nearest.name == "round 3"
    found = pick(networks, Bounds(flash=1_000))
    assert found.nearest is not None and found.nearest.name == "base"
    assert [one.text for one in found.broken[0]] == ["flash 1,290 bytes above 1,000 bytes"]
