"""Tables of latencies are fitted to the times of whole networks, and refused where they are bad."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import pytest

from nasflow.architecture.architecture import Architecture
from nasflow.config.kinds import Stored
from nasflow.deployment import latency_fit
from nasflow.deployment.latency_fit import fitted, measure
from nasflow.deployment.latency_sample import networks
from nasflow.network.network import Network

IMAGE = (1, 8, 8)
EACH = {"blocked products": 1e-8, "direct": 0.002, "gelu values": 1e-6, "plain columns": 2e-7}


@functools.cache
def drawn() -> list[Network]:
    return networks(IMAGE, 10, 48)


def graphs() -> list[Architecture]:
    return [network.architecture for network in drawn()]


def times() -> npt.NDArray[np.float64]:
    """Return the times that a table with EACH predicts."""
    own = fitted(graphs(), np.ones(48), Stored.FLOAT32)._replace(block=16, each=EACH)
    return np.array([own.milliseconds(g) for g in graphs()])


def test_a_table_is_found_again_from_the_times_that_it_predicts() -> None:
    found = fitted(graphs(), times(), Stored.FLOAT32)
    assert (found.block, found.precision, found.image) == (16, Stored.FLOAT32, IMAGE)
    assert found.check.networks == 48
    assert found.check.ninth < 0.02 and found.check.within > 0.95
    for name, value in EACH.items():
        assert found.each[name] == pytest.approx(value, rel=0.05)


def test_a_disturbed_network_bends_the_table_little_and_shows_in_the_check() -> None:
    disturbed = times() * np.where(np.arange(48) == 7, 5.0, 1.0)
    found = fitted(graphs(), disturbed, Stored.FLOAT32)
    error = np.abs([found.milliseconds(g) for g in graphs()] / times() - 1.0)
    assert np.median(error) < 0.02
    assert found.check.within < 1.0


def test_a_busy_machine_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def noise(drawn: list[Network], precision: Stored) -> npt.NDArray[np.float64]:
        return np.random.default_rng(0).uniform(0.1, 9.0, len(drawn))

    monkeypatch.setattr(latency_fit, "measured", noise)
    monkeypatch.setattr(latency_fit, "networks", lambda *shape: drawn())
    with pytest.raises(ValueError, match=r"error .*networks, .* the machine is busy: .*again"):
        measure(IMAGE, 10, Stored.FLOAT32)


def test_networks_are_the_same_in_every_call_and_of_all_sizes() -> None:
    assert [network.architecture for network in networks(IMAGE, 10, 4)] == graphs()[:4]
    flops = np.array([g.flops for g in graphs()])
    assert flops.min() < 50_000 and flops.max() > 5_000_000
    ops = {node.op for g in graphs() for node in g.nodes}
    assert ops >= {"whiten", "pool", "mean_pool", "add", "concat", "head", "flat_head", "peak_head"}
    assert {conv.stride for g in graphs() for conv in g.convs} == {1, 2}
