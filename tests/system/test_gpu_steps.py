"""A step on a pretended GPU: captured = eager in numbers, for whatever a network can be trained by.

The pretended GPU checks by itself that a capture is legal and that streams are in order.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from cases import CONSTRAINTS, network, varied
from on_gpu import batch
from pretended_gpu import Machine

from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network
from nasflow.search.neighbourhood import sample
from nasflow.training import optim
from nasflow.training.batches import Batches, Split
from nasflow.training.live_network import live
from nasflow.training.sibling import Batch
from nasflow.training.siblings import Siblings
from nasflow.training.teacher import Teacher

HEAVY = optim.heavy_ball(friction=1.0, weight_decay=1e-3)
NESTEROV = optim.nesterov(momentum=0.9, weight_decay=1e-3)
MUON = optim.muon(momentum=0.6, weight_decay=1e-3)
WEIGHTS = [0.2, 4.0, 1.0, 0.5, 2.0]
MANNERS: dict[str, tuple[optim.Update, dict[str, Any]]] = {
    "heavy ball": (HEAVY, {}),
    "heavy ball, averages": (HEAVY, {"average": 4}),
    "heavy ball, tf32, smoothing": (HEAVY, {"precision": "tf32", "label_smoothing": 0.1}),
    "heavy ball, bfloat16, averages": (HEAVY, {"precision": "bfloat16", "average": 4}),
    "nesterov": (NESTEROV, {"label_smoothing": 0.1}),
    "nesterov, tf32, class weights": (NESTEROV, {"precision": "tf32", "class_weights": WEIGHTS}),
    "nesterov, bfloat16, gains": (NESTEROV, {"precision": "bfloat16", "gains": 0.7}),
    "muon, averages": (MUON, {"average": 4}),
    "muon, tf32, gains, all weights": (
        MUON,
        {"precision": "tf32", "gains": 0.7, "class_weights": WEIGHTS, "label_smoothing": 0.1},
    ),
    "muon, bfloat16, averages": (MUON, {"precision": "bfloat16", "average": 4}),
    "muon, bfloat16, teacher, class weights": (
        MUON,
        {"precision": "bfloat16", "teacher": 0.7, "class_weights": WEIGHTS},
    ),
}


def options(networks: list[Network], given: dict[str, Any]) -> dict[str, Any]:
    """Put weights and teacher on the device, and give each network factors for its gradients."""
    found = dict(given)
    if "class_weights" in found:
        found["class_weights"] = torch.tensor(found["class_weights"], device="cuda")
    if "gains" in found:
        rate = found["gains"]
        found["gains"] = [{k: rate**i for i, k in enumerate(n.x)} for n in networks]
    if "teacher" in found:
        found["teacher"] = Teacher(live(network(5, 1).to("cuda")), found["teacher"], 2.0)
    return found


def agree(
    networks: list[Network],
    update: optim.Update,
    batches: list[tuple[list[Batch], list[Batch] | None]],
    rtol: float = 1e-3,
    **given: Any,
) -> None:
    """Let networks make steps, captured and eager; losses and weights agree."""
    own = options(networks, given)
    graph = Siblings(networks, update, **own)
    eager = Siblings(networks, update, captured=False, **own)
    with graph, eager:
        for k, (train, validation) in enumerate(batches):
            one = graph.step(train, validation, 0.1 / (k + 1))
            two = eager.step(train, validation, 0.1 / (k + 1))
            np.testing.assert_allclose(one, two, rtol=rtol)
        for i in range(len(networks)):
            for part in ("x", "buffers", "v"):
                a, b = (getattr(live.averaged(i), part).values() for live in (graph, eager))
                for s, t in zip(a, b, strict=True):
                    torch.testing.assert_close(s.cpu(), t.cpu(), rtol=rtol, atol=1e-4)


def plain_batches(steps: int = 3) -> list[tuple[list[Batch], list[Batch] | None]]:
    return [([batch(k)], [batch(50 + k)]) for k in range(steps)]


@pytest.mark.parametrize("name", MANNERS)
def test_in_every_manner_a_captured_step_is_the_eager_one(name: str) -> None:
    update, given = MANNERS[name]
    with Machine() as gpu:
        family = [network(3, 2).to("cuda"), network(4, 1).to("cuda")]
        agree(family, update, plain_batches(), **given)
        assert gpu.count["replay"] == 3


LOOSE = CONSTRAINTS.model_copy(update={"max_conv_layers": 30, "max_filters": 200})


@functools.cache
def offspring() -> dict[str, Network]:
    """Children by every morphism, on the CPU; some have sites only in a child of another one."""
    found: dict[str, Network] = {}
    parents = [network(seed, depth) for depth in (0, 2, 3) for seed in range(4)]
    for parent in parents:
        for name in sorted(MORPHISMS.keys() - found.keys()):
            rng = np.random.default_rng(3)
            for child in sample(parent, 1, morphisms={name: 1.0}, constraints=LOOSE, rng=rng):
                found[name] = child.network
                if name == "remove_pool":
                    parents.append(child.network)
    return found


@pytest.mark.parametrize("part", range(4))
def test_children_of_every_morphism_train_on_a_gpu(part: int) -> None:
    assert offspring().keys() == set(MORPHISMS)
    names = sorted(MORPHISMS)[part::4]
    with Machine():
        agree([offspring()[n].to("cuda") for n in names], HEAVY, plain_batches(2), average=3)


@pytest.mark.parametrize("name", ["widen", "connect_add", "narrow", "grow", "flatten_head"])
def test_morphisms_on_a_gpu_make_the_children_of_the_cpu(name: str) -> None:
    def children(parent: Network) -> list[dict[str, torch.Tensor]]:
        kinds, rng = {name: 1.0}, np.random.default_rng(3)
        kids = sample(parent, 2, morphisms=kinds, constraints=LOOSE, rng=rng)
        return [{k: t.cpu() for k, t in child.network.x.items()} for child in kids]

    parent = next(n for seed in range(9) if children(n := network(seed, 2)))
    with Machine():
        found = children(parent.to("cuda"))
    assert found and len(found) == len(children(parent))
    for a, b in zip(found, children(parent), strict=True):
        assert a.keys() == b.keys()
        for k, t in a.items():
            torch.testing.assert_close(t, b[k])


@pytest.mark.parametrize("seed", range(3))
def test_networks_of_every_kind_train_on_a_gpu(seed: int) -> None:
    """GELU, a whitened layer, strides, skips and every head, at their own image sizes."""
    g = varied(seed).architecture
    draws = np.random.default_rng(0).standard_normal((4, 8, 2, *g.size)).astype(np.float32)
    with Machine():
        given = [(torch.from_numpy(d).to("cuda"), (torch.arange(8) % 5).to("cuda")) for d in draws]
        pairs = [([given[0]], [given[1]]), ([given[2]], [given[3]])]
        agree([varied(seed).to("cuda")], HEAVY, pairs, average=3)


CHANGES: dict[str, dict[str, Any]] = {
    "none": {},
    "flip": {"flip": True},
    "shift": {"shift": 2},
    "crop": {"crop": 0.4, "flip": True},
    "colour": {"colour": 0.4},
    "erase": {"erase": 0.9},
    "cutout": {"cutout": 3, "shift": 1},
    "alternating flip": {"flip": True, "alternate": True},
    "mixup": {"mixup": 0.8, "classes": 5},
    "cutmix": {"cutmix": 0.8, "classes": 5},
    "all": {
        **{"flip": True, "shift": 1, "crop": 0.5, "colour": 0.4, "erase": 0.5, "cutout": 3},
        **{"alternate": True, "mixup": 0.5, "cutmix": 0.5, "classes": 5},
    },
}


def _split(device: str) -> Split:
    """40 images of two channels; their labels are five classes."""
    pixels = np.random.default_rng(3).integers(0, 255, (40, 8, 8, 2)).astype(np.uint8)
    half = torch.full((2,), 0.5)
    return Split(torch.from_numpy(pixels), torch.arange(40) % 5, half, half).to(device)


@pytest.mark.parametrize("name", CHANGES)
def test_changed_images_are_those_of_the_cpu_and_train_a_captured_step(name: str) -> None:
    on_cpu = Batches(_split("cpu"), 8, "train", (0,), **CHANGES[name])
    with Machine():
        there = replace(on_cpu, split=_split("cuda"))
        drawn = [there(k) for k in (0, 4, 9)]
        for k, (x, y) in zip((0, 4, 9), drawn, strict=True):
            torch.testing.assert_close(x.cpu(), on_cpu(k)[0])
            torch.testing.assert_close(y.cpu(), on_cpu(k)[1])
        pairs = [([pair], [batch(50)]) for pair in drawn]
        agree([network(1, 0).to("cuda")], HEAVY, pairs, label_smoothing=0.1)


def test_shards_train_as_on_the_cpu() -> None:
    networks, losses = [network(1, 1)], []
    with Siblings(networks, HEAVY, shards=2) as live:
        wanted = [live.step([batch(k, "cpu")], None, 0.1)[0] for k in range(3)]
    with Machine(), Siblings([n.to("cuda") for n in networks], HEAVY, shards=2) as live:
        losses = [live.step([batch(k)], None, 0.1)[0] for k in range(3)]
    np.testing.assert_allclose(losses, wanted, rtol=2e-3)


def test_a_captured_step_gives_the_losses_of_the_cpu() -> None:
    family = [network(seed, 1) for seed in range(3)]
    with Siblings(family, HEAVY, average=4) as live:
        wanted = [live.step([batch(k, "cpu")], [batch(9 + k, "cpu")], 0.1) for k in range(3)]
    with Machine(), Siblings([n.to("cuda") for n in family], HEAVY, average=4) as live:
        found = [live.step([batch(k)], [batch(9 + k)], 0.1) for k in range(3)]
    np.testing.assert_allclose(found, wanted, rtol=2e-3)


def test_siblings_have_batches_of_their_own_in_a_graph() -> None:
    with Machine():
        family = [network(seed, 1).to("cuda") for seed in range(3)]
        many = [([batch(3 * k + i) for i in range(3)], [batch(70 + 3 * k + i) for i in range(3)])
                for k in range(2)]  # fmt: skip
        agree(family, HEAVY, list(many), average=3)


def test_a_graph_goes_on_after_a_restore_and_leaves_out_who_rests() -> None:
    """A round that is resumed: the state is put into siblings whose graph stands already."""
    with Machine() as gpu:
        family = [network(seed, 1).to("cuda") for seed in range(3)]
        with Siblings(family, MUON, average=4) as live:
            kept = []
            for k in range(4):
                if k == 2:
                    kept = [live.state(i) for i in range(3)]
                wanted = live.step([batch(k)], [batch(9 + k)], 0.1)
            live.restore(kept, 2)
            for k in (2, 3):
                found = live.step([batch(k)], [batch(9 + k)], 0.1)
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
            live.rest(np.array([False, True, False]))
            losses = np.array(live.step([batch(5)], [batch(6)], 0.1))
            assert np.isnan(losses).tolist() == [[False, True, False]] * 2
            assert live.finite().all() and (live.kinetic_energies() > 0.0).all()
        with Siblings(family, MUON, average=4) as live:
            live.restore(kept, 2)
            for k in (2, 3):
                found = live.step([batch(k)], [batch(9 + k)], 0.1)
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
        assert len(gpu.captured) == 2
