"""`import nasflow`: the public names, searches in memory, modules and graphs of one's own."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small import SEARCH, TRAINED
from torch import nn

import nasflow
from nasflow.stages import rounds, training
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.splits import write_splits

ROOT = Path(__file__).parents[1]
SECTIONS = {
    "augment": {"shift": 1},
    "base": {"widths": [4, 4]},
    "pretrain": {"batch_size": 8, "epochs": 1.0},
    "search": SEARCH,
    "budget": {"rounds": 2},
    "final": TRAINED,
}


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (count, 8, 8, 1)).astype(np.uint8), np.arange(count) % 3


def test_every_public_name_is_there_and_known_to_type_checkers() -> None:
    tree = ast.parse((ROOT / "nasflow/__init__.py").read_text())
    typed = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.module != "importlib"
    } - {None}
    assert typed == set(nasflow.__all__) <= set(dir(nasflow))
    assert all(getattr(nasflow, name) is not None for name in nasflow.__all__)
    modules = {path.stem for path in (ROOT / "nasflow").glob("*.py")}
    assert modules & typed == {"flow", "schedule"}, "importing a module would hide the name"
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = nasflow.no_such_name


def test_the_import_takes_no_time_and_no_torch() -> None:
    code = (
        "import sys, time; began = time.process_time(); import nasflow;"
        "print(time.process_time() - began, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *heavy = done.stdout.split()
    assert float(seconds) < 0.1 and heavy == ["False", "False"]


@pytest.mark.parametrize("algorithm", ["nasgd", "nash"])
def test_a_search_in_memory_is_the_pipelines_to_the_bit(tmp_path: Path, algorithm: str) -> None:
    sections = SECTIONS | {"baselines": {"epochs_neigh": 1.0}}
    found = nasflow.run_search(*images(80), algorithm=algorithm, seed=3, **sections)
    arrays = {
        name: (split.images.numpy(), split.labels.numpy())
        for name, split in (("train", found.train), ("validation", found.validation))
    }
    mean, std = (t.double().tolist() for t in (found.train.mean, found.train.std))
    facts = {"classes": ["a", "b", "c"], "channels": 1, "height": 8, "width": 8}
    write_splits(tmp_path, arrays, facts | {"mean": mean, "std": std})
    given = {"data": tmp_path, "seed": 3, "device": "cpu", "threads": 1}
    config, search = json.dumps({k: sections[k] for k in ("base", "pretrain", "augment")}), tmp_path
    parent = tmp_path / "0/network"
    training.pretrain(config=config, out=parent, **given)
    config = json.dumps({k: sections[k] for k in ("search", "baselines", "augment")})
    for number in (1, 2):
        search = tmp_path / str(number)
        rounds.search_round(
            config=config,
            algorithm=algorithm,
            parent=parent,
            budget=json.dumps({"rounds": 2}),
            round=number,
            out=search,
            **given,
        )
        parent = search / "winner"
    (tmp_path / "summary.json").write_text("{}")
    config = json.dumps({k: sections[k] for k in ("final", "augment")})
    training.final_train(config=config, parent=parent, out=tmp_path / "final/network", **given)
    for here, there in ((found.winner, parent), (found.network, tmp_path / "final/network")):
        kept = read_checkpoint(there).network
        assert here.architecture == kept.architecture
        assert all(torch.equal(t, kept.x[name]) for name, t in here.x.items())


def test_a_search_starts_from_a_given_network_and_by_a_given_function() -> None:
    start = nasflow.initialise(nasflow.chain((4,), 3, (1, 8, 8), 3), np.random.default_rng(0))
    rounds = []

    def lazy(parent, k, setting, progress):  # type: ignore[no-untyped-def]
        rounds.append(k)
        return nasflow.run_round(parent, k, setting, progress)

    found = nasflow.run_search(*images(80), algorithm=lazy, start=start, **SECTIONS)
    assert rounds[0] == 0 and len(rounds) == 2 == len(found.lineage)
    assert found.base.architecture == start.architecture


def test_what_a_search_does_not_take_is_said_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^images: float64 \(8, 8\); expected uint8 .*$"):
        nasflow.run_search(np.zeros((8, 8)), [0] * 8)
    with pytest.raises(ValueError, match=r"^labels: \(3,\); .* each of 80 images$"):
        nasflow.run_search(images(80)[0], [0, 1, 2])
    with pytest.raises(ValueError, match=r"n_neigbours: unknown key; did you mean 'n_neigh'"):
        nasflow.run_search(*images(80), search={"n_neigbours": 3})


def test_labels_are_given_back_as_they_came() -> None:
    pixels, labels = images(80)
    names = np.array(["ant", "bee", "cat"])[labels]
    found = nasflow.run_search(pixels, names, **SECTIONS | {"budget": {"rounds": 0}})
    assert set(found.predict(pixels)) <= {"ant", "bee", "cat"}
    assert found.probabilities(pixels).sum(1) == pytest.approx(np.ones(80), abs=1e-5)
    assert found.score(pixels, found.predict(pixels)) == 1.0


def sequence(*head: nn.Module, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)

    def conv(a: int, b: int, kernel: int) -> nn.Sequential:
        layer = nn.Conv2d(a, b, kernel, padding="same", bias=bias)
        return nn.Sequential(layer, nn.BatchNorm2d(b), nn.ReLU())

    module = nn.Sequential(conv(3, 4, 3), nn.MaxPool2d(2), conv(4, 6, 5), *head)
    for _ in range(3):  # statistics that are not 0 and 1
        module(torch.randn(16, 3, 9, 9))
    return module


HEADS = {
    "global average": (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
    "flat": (nn.Flatten(), nn.Linear(6 * 4 * 4, 5)),
}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("training", [False, True])
def test_a_module_of_ones_own_computes_the_same_as_a_network(head: str, training: bool) -> None:
    module, some = sequence(*HEADS[head]), torch.randn(8, 3, 9, 9)
    network = nasflow.from_torch(module, (9, 9))
    ours = nasflow.Module(network)
    module.train(training), ours.train(training)
    assert torch.allclose(module(some), ours(some), atol=1e-5)


def test_a_morphism_of_ones_own_network_changes_nothing_that_it_says() -> None:
    module, some = sequence(*HEADS["flat"]).eval(), torch.randn(8, 3, 9, 9)
    network = nasflow.from_torch(module, (9, 9))
    for name in ("deepen", "widen", "enlarge_kernel"):
        child = nasflow.Module(nasflow.morph(network, name, seed=1)).eval()
        assert torch.allclose(child(some), module(some), atol=1e-4)


def test_a_module_learns_and_goes_back_to_a_network() -> None:
    network = nasflow.from_torch(sequence(*HEADS["flat"]), (9, 9))
    module = nasflow.Module(network)
    module(torch.randn(8, 3, 9, 9)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in module.parameters())
    again = module.network()
    assert again.architecture == network.architecture
    assert all(torch.equal(t, network.x[name]) for name, t in again.x.items())


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (nn.Dropout(), "Dropout"),
        (nn.MaxPool2d(2, stride=1), "MaxPool2d"),
        (nn.Conv2d(6, 6, 3, stride=2), "stride 1"),
        (nn.Conv2d(6, 6, 3, padding=1), "behind Conv2d"),
    ],
)
def test_a_layer_that_no_network_has_is_named(layer: nn.Module, words: str) -> None:
    module = nn.Sequential(*sequence(), layer, *HEADS["global average"])
    with pytest.raises(ValueError, match=words):
        nasflow.from_torch(module, (9, 9))


def test_a_morphism_without_that_name_or_site_is_refused() -> None:
    network = nasflow.initialise(nasflow.chain((4, 8), 3, (1, 8, 8), 3), np.random.default_rng(0))
    with pytest.raises(ValueError, match="morphism: 'grow'; expected one of deepen"):
        nasflow.morph(network, "grow")
    with pytest.raises(ValueError, match=r"widen at \(2, 2\); its sites in this network: \(1, 2\)"):
        nasflow.morph(network, "widen", (2, 2))
    assert nasflow.sites(network.architecture)["widen"] == [(1, 2), (1, 4), (3, 2), (3, 4)]
    made = nasflow.draw_children(network, 5, seed=1, max_filters=8, morphisms={"add_pool": 0.0})
    assert len({child.network.architecture.fingerprint for child in made}) == 5


def test_a_notebook_shows_an_architecture_as_a_picture() -> None:
    picture = nasflow.chain((4, 8), 3, (1, 8, 8), 3)._repr_html_()
    assert picture.startswith("<svg") and picture.count("conv 3×3") >= 2


def test_a_flow_with_too_long_steps_says_so() -> None:
    K = 100.0 * (np.ones((4, 4)) - np.eye(4))
    with pytest.raises(ValueError, match=r"tau: 1\.0; the shares left every bound"):
        nasflow.run_flow([0.0, 1.0, 2.0, 3.0], K, kind="log", tau=1.0, steps=500)


def test_a_flow_on_ones_own_graph_ends_at_its_equilibrium() -> None:
    V, K = [0.0, 0.3, 0.1], [[0, 1, 0], [1, 0, 2], [0, 2, 0]]
    path = nasflow.run_flow(V, K, kind="log", weight=0.2, steps=4000, tau=0.05)
    assert path.f[-1] == pytest.approx(
        np.exp(-np.array(V) / 0.2) / np.exp(-np.array(V) / 0.2).sum()
    )
    with pytest.raises(ValueError, match="symmetric"):
        nasflow.run_flow(V, [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match="edge to itself"):
        nasflow.run_flow(V, np.ones((3, 3)))
