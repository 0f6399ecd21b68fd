"""Whole searches on a pretended GPU: they give the networks that they give on the CPU.

The pretended GPU checks by itself that no devices are mixed, that no capture waits, copies from
pageable memory or draws a random number, and that streams are in order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from on_gpu import digits, near, search
from pretended_gpu import Cuda, Machine

import nasflow
from nasflow.config.kinds import FIXED, PARTICLES, Algorithm
from nasflow.deployment.deployable import Deployable
from nasflow.planning import speed
from nasflow.stages.found import Found
from nasflow.storage.checkpoint import read_checkpoint

UNTRAINED = {"epochs": 0.0}
PORTFOLIO = {"portfolio": ["chain7", "airbench"], "portfolio_part": 0.5}
# Fixed networks are large, so that they are trained once only.
SMALL: dict[Algorithm, dict[str, Any]] = {
    **{name: {"pretrain": UNTRAINED} for name in FIXED},
    Algorithm.RACE: {"base": PORTFOLIO, "pretrain": UNTRAINED, "search": {"max_steps": 2}},
}


def both(algorithm: str, **sections: Any) -> tuple[Found, Machine]:
    """Run a search on the CPU and on a pretended GPU, and compare the networks."""
    wanted = search(algorithm, device="cpu", **sections)
    with Machine() as gpu:
        found = search(algorithm, **sections)
        for kind in ("base", "winner", "network"):
            assert isinstance(next(iter(getattr(found, kind).x.values())), Cuda)
            near(getattr(found, kind), getattr(wanted, kind))
    assert gpu.count["replay"] > 0
    return found, gpu


@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_algorithm_finds_on_a_gpu_what_it_finds_on_the_cpu(algorithm: Algorithm) -> None:
    found, gpu = both(algorithm, **SMALL.get(algorithm, {}))
    trainings = (found.experiment.pretrain.epochs > 0.0) + 1
    assert len(gpu.captured) >= trainings + (algorithm in PARTICLES)


SEARCHES: dict[str, dict[str, Any]] = {
    "gradient, two morphisms, muon, tf32": {
        "search": {
            **{"proposal": "gradient", "n_morphisms": 2, "optimizer": "muon", "precision": "tf32"}
        },
        "final": {"precision": "tf32"},
    },
    "fresh weights, compound moves, sgd, own batches, star, no average": {
        "search": {
            **{"weights": "fresh", "moves": "compound", "optimizer": "sgd", "graph": "star"},
            **{"validation": "independent", "weight_average": 1},
        },
    },
    "equal FLOPs, class weights": {
        "search": {"equal": "flops"},
        "data": {"class_weights": "balanced"},
    },
    "two rounds, all changes of images": {
        "budget": {"rounds": 2},
        "augment": {"flip": True, "shift": 1, "crop": 0.5, "colour": 0.3, "erase": 0.5},
        "final": {"alternating_flip": True, "cutout": 2, "label_smoothing": 0.1},
    },
    "mixed images, average, warm-up, shards": {
        "pretrain": {"shards": 2},
        "augment": {"mixup": 0.5, "cutmix": 0.5},
        "final": {"weight_average": 3, "warmup": 0.3, "use_validation": True},
    },
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_of_any_kind_is_that_of_the_cpu(name: str) -> None:
    both("nasgd", **SEARCHES[name])


def test_a_search_of_second_order_is_that_of_the_cpu() -> None:
    order = {"kinetic": True, "restart": "never"}
    both("nasagd", search={"second_order": order})


def test_a_portfolio_begins_a_search() -> None:
    both("nasgd", base=PORTFOLIO, pretrain=UNTRAINED, search={"max_steps": 2})


def test_rounds_of_equal_seconds_mix_no_devices() -> None:
    """Seconds differ from run to run, so that only the rules of CUDA are checked."""
    with Machine() as gpu:
        for algorithm in ("halving", "nasgd"):
            search(algorithm, search={"equal": "seconds"}, pretrain=UNTRAINED)
    assert gpu.count["replay"] > 0, "the final training has a graph anyway"


def test_bfloat16_mixes_no_devices() -> None:
    """Its numbers are not compared: on the CPU other kernels round at other places."""
    half = {name: {"precision": "bfloat16"} for name in ("pretrain", "search", "final")}
    with Machine() as gpu:
        found = search("nasgd", **half)
        assert isinstance(next(iter(found.network.x.values())), Cuda)
    assert len(gpu.captured) == 3


def test_a_network_of_the_user_begins_a_search_and_what_is_found_predicts(tmp_path: Path) -> None:
    start, pixels = search("none", device="cpu").network, digits()[0][:3]
    with Machine():
        found = search("none", start=start, pretrain=UNTRAINED)
        assert isinstance(next(iter(found.network.x.values())), Cuda)
        chances, folder = found.probabilities(pixels), found.save(tmp_path / "found")
    again = read_checkpoint(folder / "network").network
    module = Deployable(again, found.facts)
    torch.testing.assert_close(module(torch.from_numpy(pixels[:, None])), torch.tensor(chances))


def test_fit_plans_and_searches_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "training_speed", lambda *given: speed.Speed(1e9, 1.0))
    final = {"total_seconds": None, "epochs": 0.3, "batch_size": 16}
    sections: dict[str, Any] = {"base": {"widths": [4, 4], "portfolio": []}, "final": final}
    with Machine() as gpu:
        found = nasflow.fit(
            *digits(), minutes=0.1, algorithm="none", device="cuda", threads=1, **sections
        )
        assert isinstance(next(iter(found.network.x.values())), Cuda)
    assert gpu.count["replay"] > 0
