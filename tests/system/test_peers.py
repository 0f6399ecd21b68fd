"""Peers: what their encodings stand for, what their budgets count, what they do when installed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import torch
import yaml
from places import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks/ is no part of the package

from benchmarks.peers import growth
from benchmarks.peers.bench import Options, stage
from benchmarks.peers.meter import Limit, Meter, Spent, limit
from benchmarks.peers.run import PEERS, run, searcher
from benchmarks.peers.space import MOST_ADDED, Space, choices, decode, parts, space
from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import chain
from nasflow.config import files as config_file
from nasflow.config.compare import merged
from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.config.search import Constraints, Search
from nasflow.config.section import plain
from nasflow.kernels.batch_norm import EPSILON
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, forward, initialise
from nasflow.search.neighbourhood import legal
from nasflow.storage.files import read_json

BASE = chain((4, 8), 3, (1, 8, 8), 3)
TIGHT = {"max_conv_layers": 5, "max_filters": 16, "max_parameters": 4000, "max_flops": 4e5}
EXTRA = "needs pip install -e '.[peers]'"


def within(**constraints: Any) -> Space:
    search = Search(constraints=Constraints(**constraints))
    return space(initialise(BASE, np.random.default_rng(0)), search)


def drawn(where: Space, encoding: str, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        c.name: c.options[rng.integers(len(c.options))] if c.options else rng.random()
        for c in choices(where, encoding, 6)
    }


def experiment(**sections: Any) -> Experiment:
    default = yaml.safe_load(config_file.DEFAULT.read_text())
    result: Experiment = parse(Experiment, merged(default, sections))
    return result


@pytest.mark.parametrize("encoding", ["moves", "shape"])
def test_whatever_the_numbers_are_the_architecture_keeps_the_constraints(encoding: str) -> None:
    for where in (within(), within(**TIGHT)):
        found = [decode(where, encoding, drawn(where, encoding, seed)) for seed in range(25)]
        assert len(found) == 25
        assert all(legal(g, where.constraints) for g in found)
        assert all((g.image, g.head.width, g.size) == (BASE.image, 3, BASE.size) for g in found)
        assert len({g.fingerprint for g in found}) > 10


def test_every_child_that_a_search_here_may_draw_has_numbers_of_its_own() -> None:
    where, compared = within(), set()
    for kind in where.kinds:
        sites = sorted(MORPHISMS[kind].sites(BASE))
        for index, site in enumerate(sites):
            try:
                child = MORPHISMS[kind].apply(where.start, site, np.random.default_rng(0))
            except ValueError:
                continue
            if legal(child.architecture, where.constraints):
                chosen = {"kind_0": kind, "place_0": (index + 0.5) / len(sites)}
                found = decode(where, "moves", chosen)
                assert found.fingerprint == child.architecture.fingerprint
                compared.add(kind)
    assert len(compared) >= 5, "kinds that the base network has children of"


def test_a_kind_of_morphism_that_the_search_leaves_out_is_in_no_encoding() -> None:
    search = parse(Search, {"morphisms": {"widen": 0.0, "enlarge_kernel": 0.0}})
    where = space(within().start, search)
    for seed in range(10):
        shaped = decode(where, "shape", drawn(where, "shape", seed))
        assert {c.kernel for c in shaped.convs} == {3}
        assert max(c.width for c in shaped.convs) <= 8
        moved = drawn(where, "moves", seed).values()
        assert not {"widen", "enlarge_kernel"} & set(map(str, moved))


def test_the_numbers_of_a_shape_are_what_they_are_called() -> None:
    where = within()
    chosen = dict(
        zip([c.name for c in choices(where, "shape", 0)], ["same", 0, 3, "none"] * 2, strict=True)
    )
    assert decode(where, "shape", chosen).fingerprint == BASE.fingerprint
    chosen |= {"width_1": "double", "added_1": MOST_ADDED, "kernel_1": 5, "skip_1": "add"}
    g = decode(where, "shape", chosen)
    first, second = parts(g)
    assert [(g[c].width, g[c].kernel) for c in first] == [(4, 3)]
    assert [(g[c].width, g[c].kernel) for c in second] == [(16, 5)] * (1 + MOST_ADDED)
    assert sum(node.op == "add" for node in g.nodes) == 1


def test_no_peer_spends_more_than_a_step_too_much() -> None:
    now = [100.0]

    def clock() -> float:
        return now[0]

    meter = Meter(Limit("seconds", 5.0, 9.0), 10, 98.0, clock)
    for step in range(2):
        now[0] += 1.0
        meter.hold(step + 1, 50, "")
    assert meter.left == pytest.approx(1.0)
    now[0] += 1.5
    with pytest.raises(Spent):
        meter.hold(3, 50, "")
    assert meter.seconds == pytest.approx(5.5)
    meter.hold(50, 50, "")  # the last step of a training: it is kept
    meter = Meter(Limit("epochs", 0.5, 9.0), 10, 0.0, clock)
    for step in range(4):
        meter.hold(step + 1, 50, "")
    with pytest.raises(Spent):
        meter.hold(5, 50, "")
    assert meter.epochs == 0.5


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({}, "final.total_seconds: null; .* set it or final.total_epochs"),
        ({"final": {"epochs": None, "total_seconds": 9.0}}, "budget.seconds: null; expected the"),
        (
            {"final": {"epochs": None, "total_epochs": 9.0}, "budget": {"network_epochs": 9.0}},
            "budget.network_epochs: 9; expected less than final.total_epochs, 9",
        ),
    ],
)
def test_a_budget_that_is_not_equal_is_refused_in_one_line(
    sections: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        limit(experiment(**sections))
    assert "\n" not in str(caught.value)


def test_the_limit_is_that_of_the_searches_here() -> None:
    seconds = {"final": {"epochs": None, "total_seconds": 9.0}, "budget": {"seconds": 4.0}}
    assert limit(experiment(**seconds)) == Limit("seconds", 4.0, 9.0)


def test_a_stretch_is_the_final_recipe_without_the_validation_images() -> None:
    given = experiment(final={"epochs": None, "total_seconds": 9.0, "use_validation": True})
    made = stage(given, 2.0)
    assert (made.epochs, made.total_seconds, made.use_validation) == (2.0, None, False)
    kept = set(plain(made)) - {"epochs", "total_seconds", "use_validation"}
    assert kept
    assert all(getattr(made, name) == getattr(given.final, name) for name in kept)


@pytest.mark.parametrize("constraints", [{}, TIGHT])
def test_gromos_schedule_ends_inside_the_constraints(constraints: dict[str, Any]) -> None:
    bounds = within(**constraints).constraints
    first, last = growth.first_widths(BASE, bounds), growth.targets(BASE, bounds)
    assert legal(growth.doubled(first, BASE), bounds) and legal(growth.doubled(last, BASE), bounds)
    for begin, end in zip(first, last, strict=True):
        added = growth.additions(begin, end, 4)
        assert begin + sum(added) == end and max(added) - min(added) <= 1
    assert last == (16, 32) or constraints


def test_gromos_chain_has_one_more_convolution_in_each_part() -> None:
    g = growth.doubled((2, 3), BASE)
    assert [[g[c].width for c in part] for part in parts(g)] == [[2, 4], [3, 8]]
    with pytest.raises(ValueError, match="takes a chain"):
        growth.doubled((2, 3), _with_a_skip())


@pytest.mark.parametrize("peer", PEERS)
def test_a_package_that_is_not_installed_is_named_in_one_line(
    peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("optuna", "gromo", "gromo.containers"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in ("trials", "growing"):
        monkeypatch.delitem(sys.modules, f"benchmarks.peers.{module}", raising=False)
    with pytest.raises(ValueError, match=rf"{peer}; .* is not installed, pip install"):
        searcher(peer)


@pytest.mark.parametrize("peer", ["optuna_tpe", "optuna_random_shape", "gromo"])
def test_a_peer_has_the_same_total_as_a_search_here(tmp_path: Path, peer: str) -> None:
    pytest.importorskip(PEERS[peer][0], reason=EXTRA)
    data = small.prepare(tmp_path) / "data"
    given = _small(total=9.0)
    run(given, peer, 0, data, tmp_path / peer, Options(trial=1.0, growths=2, statistics=2))
    metrics = read_json(tmp_path / peer / "final/metrics.json")
    spent = [metrics[f"{part}_epochs"] for part in ("pretrain", "search", "final")]
    step = 8 / 56
    assert sum(spent) == pytest.approx(9.0, abs=step / 2)
    assert spent[1] == pytest.approx(4.0, abs=3 * step) and (spent[0] == 1.0) == (peer == "gromo")
    trained = read_json(tmp_path / peer / "search/summary.json")["trained"]
    assert metrics["architectures"] == len({row["fingerprint"] for row in trained}) >= 3
    g = Architecture.from_json((tmp_path / peer / "final/network.architecture.json").read_text())
    assert legal(g, plain(given.search)["constraints"])
    with pytest.raises(ValueError, match="made with other settings"):
        run(_small(total=10.0), peer, 0, data, tmp_path / peer, Options())


def test_trials_that_cannot_end_are_told_with_a_remedy(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason=EXTRA)
    data = small.prepare(tmp_path) / "data"
    with pytest.raises(ValueError, match=r"--trial: 40 epochs; no trial ended .* lower it"):
        run(_small(9.0), "optuna_tpe", 0, data, tmp_path / "x", Options(trial=40.0, pruner="none"))


def test_gromo_sees_our_function_and_we_see_the_one_that_it_grew() -> None:
    pytest.importorskip("gromo", reason=EXTRA)
    from benchmarks.peers import growing

    network = _shaken(growth.doubled((2, 3), BASE))
    rng = np.random.default_rng(1)
    images = torch.tensor(rng.standard_normal((24, 1, 8, 8)), dtype=torch.float32)
    batches = [(images, torch.arange(24) % 3)]
    chained = growing.Chain(network)
    assert torch.allclose(chained(images), _logits(network, images), atol=1e-5)
    grown = growing.grow(network, {1: 2, 4: 3}, batches)
    g = grown.architecture
    assert [[g[c].width for c in part] for part in parts(g)] == [[4, 4], [6, 8]]
    old, new = (_loss(n, batches[0]) for n in (network, grown))
    assert new < old
    for conv, first in ((1, 2), (4, 3)):  # new filters' BatchNorm undoes itself
        scale, variance = (
            grown.x[f"{conv}.scale"][first:],
            grown.buffers[f"{conv}.variance"][first:],
        )
        norms = grown.x[f"{conv}.weight"].flatten(1).norm(dim=1)
        assert torch.allclose(norms[first:], norms[:first].mean().expand(2 + (conv == 4)))
        ratio = (variance + EPSILON).sqrt() / scale
        kept = grown.buffers[f"{conv}.mean"][first:] / ratio
        assert torch.allclose(kept, grown.x[f"{conv}.shift"][first:], atol=1e-6)


def _small(total: float) -> Experiment:
    trained = small.TRAINED | {"epochs": None, "total_epochs": total}
    return experiment(
        threads=1,
        base={"widths": [4, 8]},
        pretrain={"batch_size": 8, "epochs": 1.0},
        search={"batch_size": 8, "constraints": {"min_filters": 2}},
        budget={"rounds": None, "network_epochs": 4.0},
        final=trained,
    )


def _with_a_skip() -> Architecture:
    network = initialise(growth.doubled((4, 8), BASE), np.random.default_rng(0))
    return MORPHISMS["connect_add"].apply(network, (1, 2), np.random.default_rng(0)).architecture


def _shaken(g: Architecture) -> Network:
    """Return a network whose statistics and gradients are not those of a new network."""
    network, rng = initialise(g, np.random.default_rng(2)), np.random.default_rng(3)
    for name, tensor in network.x.items():
        network.x[name] = (
            tensor + 0.1 * torch.tensor(rng.standard_normal(tuple(tensor.shape))).float()
        )
    _logits(network, torch.tensor(rng.standard_normal((64, 1, 8, 8))).float(), training=True)
    return network


def _logits(network: Network, images: torch.Tensor, training: bool = False) -> torch.Tensor:
    g, x, buffers, _ = network
    with torch.no_grad():
        return forward(g, x, buffers, images, training=training)


def _loss(network: Network, batch: tuple[torch.Tensor, torch.Tensor]) -> float:
    return float(torch.nn.functional.cross_entropy(_logits(network, batch[0]), batch[1]))
