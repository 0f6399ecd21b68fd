"""Morphisms preserve functions, leave parents alone, and everything that is new can learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cases import CONSTRAINTS, images, logits, network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasflow.architecture.architecture import Architecture
from nasflow.comparison.published import nasgd1
from nasflow.config.search import COMPOUND_WEIGHTS
from nasflow.network.morphisms import MORPHISMS, Morphism, rectified_moments
from nasflow.network.network import Network, forward
from nasflow.search.neighbourhood import legal

SINGLE = sorted(MORPHISMS.keys() - COMPOUND_WEIGHTS.keys())  # test_stages.py has the others
POSITIVE = [name for name in MORPHISMS if name in SINGLE and MORPHISMS[name].preserves]
INVERSE = {
    "deepen": "shallow",
    "widen": "narrow",
    "connect_concat": "disconnect",
    "connect_add": "disconnect",
    "enlarge_kernel": "shrink_kernel",
    "add_pool": "remove_pool",
    "remove_pool": "add_pool",
}


many = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


some = settings(many, max_examples=25)


seeds = st.integers(0, 10**6)


depths = st.integers(0, 6)


Offspring = list[tuple[tuple[int, ...], Network]]
SEEDS, DEEPER = 8, 6  # parents tried until one has children of a kind: other seeds, more morphisms


def children(name: str, parent: Network, seed: int) -> Offspring:
    """Up to three legal children of one kind; none where the parent has no site for it."""
    rng = np.random.default_rng(seed)
    sites = sorted(MORPHISMS[name].sites(parent.architecture))
    result: Offspring = []
    for i in rng.permutation(len(sites)):
        try:
            result.append((sites[i], MORPHISMS[name].apply(parent, sites[i], rng)))
        except ValueError:
            continue
        if len(result) == 3:
            break
    return result


def family(
    name: str, seed: int, depth: int, dtype: torch.dtype = torch.float32
) -> tuple[Network, Offspring]:
    """A random parent and its children of one kind, of which there is at least one.

    Many parents have none: without a skip connection `disconnect` has no site, for example. Such a
    parent is morphed further, or another one takes its place (with the same kind of head), so that
    no property is tested on an empty list.
    """
    for other in range(SEEDS):
        for more in range(DEEPER):
            parent = network(seed + 2 * other, depth + more, dtype)
            if found := children(name, parent, seed):
                return parent, found
    raise AssertionError(f"{name}: no child of {SEEDS * DEEPER} parents from seed {seed} on")


def change(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.std())


@pytest.mark.parametrize("name", POSITIVE)
@many
@given(seed=seeds, depth=depths)
def test_positive_morphisms_keep_the_function_in_eval_mode(
    name: str, seed: int, depth: int
) -> None:
    for dtype, bar in ((torch.float32, 1e-5), (torch.float64, 1e-10)):
        batch = images(16, dtype)
        parent, found = family(name, seed, depth, dtype)
        for site, child in found:
            assert change(logits(child, batch), logits(parent, batch)) <= bar, (name, site)


@pytest.mark.parametrize("name", [n for n in POSITIVE if n != "deepen"])
@some
@given(seed=seeds, depth=depths)
def test_all_but_deepen_keep_it_in_train_mode_too(name: str, seed: int, depth: int) -> None:
    (parent, found), batch = family(name, seed, depth, torch.float64), images(16, torch.float64)
    for _, child in found:
        before = logits(parent, batch, training=True)
        assert change(logits(child, batch, training=True), before) <= 1e-10


def test_deepen_changes_train_mode_little_and_far_less_than_a_standard_batchnorm() -> None:
    batch = images(256, torch.float64)
    with_moments, without = [], []
    for seed in range(20):
        parent = network(seed, 0, torch.float64)
        before = logits(parent, batch, training=True)
        for _, child in children("deepen", parent, seed):
            new = parent.architecture.next_id
            after = logits(child, batch, training=True)
            with_moments.append(float((after - before).std() / before.std()))
            x = dict(child.x)  # mean 0, variance 1: exact in eval mode only
            x[f"{new}.scale"] = torch.full_like(x[f"{new}.scale"], np.sqrt(1 + 1e-5))
            x[f"{new}.shift"] = torch.zeros_like(x[f"{new}.shift"])
            after = logits(child._replace(x=x), batch, training=True)
            without.append(float((after - before).std() / before.std()))
    assert np.median(with_moments) < 0.1
    assert np.median(without) > 5 * np.median(with_moments)


def test_rectified_moments_are_those_of_samples() -> None:
    scale, shift = torch.tensor([0.5, 2.0, -1.0]), torch.tensor([1.0, -0.5, 0.0])
    normal = torch.tensor(np.random.default_rng(0).standard_normal((400_000, 1)))
    sample_ = (shift + scale * normal).clamp_min(0.0)
    mean, variance = rectified_moments(scale, shift)
    torch.testing.assert_close(mean.double(), sample_.mean(0), rtol=0.01, atol=0.005)
    torch.testing.assert_close(variance.double(), sample_.var(0), rtol=0.02, atol=0.005)


@pytest.mark.parametrize("name", SINGLE)
@some
@given(seed=seeds, depth=depths)
def test_parents_are_neither_changed_nor_aliased(name: str, seed: int, depth: int) -> None:
    parent, _ = family(name, seed, depth)
    before = [{k: t.clone() for k, t in part.items()} for part in parent[1:]]
    assert all(before)
    for _, child in children(name, parent, seed):
        for part in child[1:]:
            assert part
            for tensor in part.values():
                tensor.fill_(123.0)
    for part, copy in zip(parent[1:], before, strict=True):
        assert all(torch.equal(part[k], copy[k]) for k in copy)


@pytest.mark.parametrize("name", SINGLE)
@some
@given(seed=seeds, depth=depths)
def test_untouched_tensors_carry_their_velocities_over(name: str, seed: int, depth: int) -> None:
    parent, found = family(name, seed, depth)
    for _, child in found:
        g, old = child.architecture, parent.architecture
        assert list(child.x) == list(g.tensors) == list(child.v)
        untouched = [key for key, shape in g.tensors.items() if old.tensors.get(key) == shape]
        assert untouched and all(parent.v[key].any() for key in untouched)
        for key, shape in g.tensors.items():
            assert tuple(child.x[key].shape) == tuple(child.v[key].shape) == shape
            if key in untouched:
                assert torch.equal(child.v[key], parent.v[key])
            if key not in old.tensors:
                assert not child.v[key].any()


@pytest.mark.parametrize("name", POSITIVE)
@some
@given(seed=seeds, depth=st.integers(0, 3))
def test_every_new_tensor_has_gradient_after_two_steps(name: str, seed: int, depth: int) -> None:
    parent, found = family(name, seed, depth)
    labels = torch.arange(32) % 5
    for _, child in found[:1]:
        g, old = child.architecture, parent.architecture
        x = {k: t.clone().requires_grad_() for k, t in child.x.items()}
        for _step in range(2):
            out = forward(g, x, dict(child.buffers), images(32), training=True)
            gradient = torch.autograd.grad(F.cross_entropy(out, labels), list(x.values()))
            slopes = dict(zip(x, gradient, strict=True))
            with torch.no_grad():
                for k in x:
                    x[k] -= 0.05 * slopes[k]
        new = [key for key, shape in g.tensors.items() if old.tensors.get(key) != shape]
        assert new
        for key in new:
            assert _new_part(slopes[key], old.tensors.get(key)).abs().max() > 0, (name, key)


def _new_part(gradient: torch.Tensor, old: tuple[int, ...] | None) -> torch.Tensor:
    """Entries that the parent did not have (kernels grow around their centre)."""
    new = torch.ones(gradient.shape, dtype=torch.bool)
    if old is not None:
        margin = (gradient.shape[-1] - old[-1]) // 2 if gradient.ndim == 4 else 0
        ends = [slice(0, n) for n in old[:2]] + [slice(margin, margin + n) for n in old[2:]]
        new[tuple(ends)] = False
    return gradient[new]


@pytest.mark.parametrize("name", sorted(INVERSE))
@some
@given(seed=seeds, depth=depths)
def test_each_morphism_has_an_inverse(name: str, seed: int, depth: int) -> None:
    parent, found = family(name, seed, depth)
    for _, child in found:
        back = MORPHISMS[INVERSE[name]]
        once = _undo(back, child)
        graphs = [n.architecture for n in once]
        if name == "widen":  # by four is undone by halving twice
            graphs += [n.architecture for first in once for n in _undo(back, first)]
        prints = [g.fingerprint for g in graphs]  # a pool that returns has a new id
        assert parent.architecture.fingerprint in prints, name
        assert name == "remove_pool" or parent.architecture in graphs, name


def _undo(back: Morphism, child: Network) -> list[Network]:
    result = []
    for site in back.sites(child.architecture):
        try:
            result.append(back.apply(child, site, np.random.default_rng(0)))
        except ValueError:
            continue
    return result


@some
@given(seed=seeds)
def test_chains_of_thirty_random_morphisms_stay_legal_buildable_and_readable(seed: int) -> None:
    end = network(seed, 30)
    g = end.architecture
    assert legal(g, CONSTRAINTS)
    assert Architecture.from_json(g.to_json()) == g
    assert torch.isfinite(logits(end, images(4))).all()


def test_shallow_undoes_deepen_bit_for_bit() -> None:
    parent, found = family("deepen", 3, 2)
    for _, child in found:
        back = MORPHISMS["shallow"].apply(
            child, (parent.architecture.next_id,), np.random.default_rng(0)
        )
        assert back.architecture == parent.architecture
        assert all(torch.equal(back.x[k], parent.x[k]) for k in parent.x)


def test_deepened_filters_are_as_long_as_those_before_them() -> None:
    """BatchNorm makes filters scale-free: a step turns filters of the same length equally far."""
    parent = network(0, 0)
    long = parent._replace(x={k: 3 * t if k == "1.weight" else t for k, t in parent.x.items()})
    child = MORPHISMS["deepen"].apply(long, (1, 3), np.random.default_rng(0))
    new = child.x[f"{parent.architecture.next_id}.weight"].flatten(1).norm(dim=1)
    torch.testing.assert_close(new, torch.full_like(new, float(_norms(long, "1.weight").mean())))


def _norms(network_: Network, name: str) -> torch.Tensor:
    return network_.x[name].flatten(1).norm(dim=1)


@some
@given(seed=seeds, depth=depths)
def test_a_flat_head_is_cropped_or_padded_around_its_centre(seed: int, depth: int) -> None:
    for name in ("add_pool", "remove_pool"):
        parent, found = family(name, 2 * seed + 1, depth)  # odd seeds have a flat head
        for _, child in found:
            head = child.architecture.head
            assert head.op == "flat_head"
            old, new = (n.x[f"{head.id}.weight"] for n in (parent, child))
            small, large = sorted((old, new), key=lambda t: t.shape[2])
            first = (large.shape[2] - small.shape[2]) // 2
            end = first + small.shape[2]
            assert torch.equal(large[:, :, first:end, first:end], small)
            if large is new and first > 0:
                assert not new[:, :, 0].any()


def test_convolutions_that_a_pad_reads_keep_their_filters() -> None:
    g = nasgd1()
    padded = {s for node in g.nodes if node.op == "pad" for s in g.segments[node.inputs[0]]}
    assert padded
    for name in ("widen", "narrow"):
        assert not padded & {site[0] for site in MORPHISMS[name].sites(g)}
