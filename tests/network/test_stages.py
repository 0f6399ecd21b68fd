"""Compound morphisms: a network changes as a whole; where it grows, its function stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cases import batch_of, logits, varied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nasflow
from nasflow.architecture.diagram import diagram
from nasflow.architecture.difference import sentences
from nasflow.architecture.node import OPS
from nasflow.architecture.templates import TEMPLATES, stack
from nasflow.command.show_network import WHAT
from nasflow.config.search import COMPOUND_WEIGHTS, GROWING, SHRINKING
from nasflow.config.search import MORPHISMS as NAMES
from nasflow.network.depth import deepen_behind
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, forward, initialise
from nasflow.records.offspring import offspring

COMPOUND = sorted(COMPOUND_WEIGHTS)
DEEPER = ("deepen_stages", "add_stage", "grow")  # they insert identities behind ReLUs
SEEDS = 40  # networks tried until one has a site

some = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
few = settings(some, max_examples=12)
seeds = st.integers(0, 10**5)

Offspring = list[tuple[tuple[int, ...], Network]]


def family(name: str, seed: int, dtype: torch.dtype = torch.float64) -> tuple[Network, Offspring]:
    """A random network with at least one site of a kind, and its children at all sites."""
    for other in range(seed, seed + SEEDS):
        parent = varied(other, dtype)
        if sites := sorted(MORPHISMS[name].sites(parent.architecture)):
            rng = np.random.default_rng(seed)
            return parent, [(site, MORPHISMS[name].apply(parent, site, rng)) for site in sites]
    raise AssertionError(f"{name}: no site in {SEEDS} networks from seed {seed} on")


def change(child: Network, parent: Network, *, training: bool = False) -> float:
    batch = batch_of(parent, 16)
    a, b = (logits(n, batch, training=training) for n in (child, parent))
    return float((a - b).abs().max() / b.std())


def test_the_configuration_and_the_table_have_the_same_names() -> None:
    assert tuple(MORPHISMS) == NAMES
    assert all(MORPHISMS[name].preserves for name in GROWING)
    assert not any(MORPHISMS[name].preserves for name in SHRINKING)


@pytest.mark.parametrize("name", GROWING)
@some
@given(seed=seeds)
def test_they_keep_the_function_in_eval_mode(name: str, seed: int) -> None:
    parent, found = family(name, seed)
    for site, child in found:
        assert change(child, parent) <= 1e-10, site
        assert child.architecture.fingerprint != parent.architecture.fingerprint


@pytest.mark.parametrize("name", GROWING)
@some
@given(seed=seeds)
def test_they_keep_it_in_train_mode_where_no_identity_is_inserted(name: str, seed: int) -> None:
    parent, found = family(name, seed)
    smooth = all(conv.smooth for conv in parent.architecture.convs)
    for site, child in found:
        if smooth or name not in DEEPER:
            assert change(child, parent, training=True) <= 1e-10, site


@pytest.mark.parametrize("name", GROWING)
@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_templates_keep_their_function(template: str, name: str) -> None:
    rng = np.random.default_rng(0)
    parent = initialise(TEMPLATES[template]((3, 20, 12), 4), rng)
    parts = ({k: t.double() for k, t in part.items()} for part in parent[1:])
    parent = Network(parent.architecture, *parts)
    for name_, t in parent.buffers.items():
        t += 0.3 if name_.endswith("filters") else 0.0
    sites = sorted(MORPHISMS[name].sites(parent.architecture))
    assert sites or template.startswith("airbench"), "the other templates have a site of every kind"
    for site in sites:
        assert change(MORPHISMS[name].apply(parent, site, rng), parent) <= 1e-10


@pytest.mark.parametrize("name", GROWING)
@few
@given(seed=seeds)
def test_every_new_tensor_has_a_gradient_after_two_steps(name: str, seed: int) -> None:
    parent, found = family(name, seed)
    images, labels = batch_of(parent, 32), torch.arange(32) % 5
    for _, child in found[:2]:
        g, old = child.architecture, parent.architecture
        x = {k: t.clone().requires_grad_() for k, t in child.x.items()}
        for _step in range(2):
            out = forward(g, x, dict(child.buffers), images, training=True)
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
    if old is not None and len(old) == gradient.ndim:
        margin = (gradient.shape[-1] - old[-1]) // 2 if gradient.ndim == 4 else 0
        ends = [slice(0, n) for n in old[:2]] + [slice(margin, margin + n) for n in old[2:]]
        new[tuple(ends)] = False
    return gradient[new]


@pytest.mark.parametrize("name", COMPOUND)
@few
@given(seed=seeds)
def test_parents_are_not_aliased_and_tensors_fit(name: str, seed: int) -> None:
    parent, found = family(name, seed)
    before = [{k: t.clone() for k, t in part.items()} for part in parent[1:]]
    for _, child in found:
        g = child.architecture
        assert {k: tuple(t.shape) for k, t in child.x.items()} == g.tensors
        assert {k: tuple(t.shape) for k, t in child.v.items()} == g.tensors
        assert {k: tuple(t.shape) for k, t in child.buffers.items()} == g.buffers
        for part in child[1:]:
            for tensor in part.values():
                tensor.fill_(123.0)
    for part, copy in zip(parent[1:], before, strict=True):
        assert all(torch.equal(part[k], copy[k]) for k in copy)


@pytest.mark.parametrize("name", COMPOUND)
@few
@given(seed=seeds)
def test_records_lead_back_to_the_architecture(name: str, seed: int) -> None:
    parent, found = family(name, seed)
    for site, child in found:
        text, g = ",".join(map(str, site)), child.architecture
        assert offspring(parent.architecture, name, text, g.fingerprint) == g


@few
@given(seed=seeds)
def test_velocities_of_a_head_pass_through_the_map_of_its_weights(seed: int) -> None:
    for name in ("flatten_head", "add_stage"):
        parent, found = family(name, seed)
        twin = parent._replace(x=parent.v)
        key = f"{parent.architecture.head.id}.weight"
        for site, child in found:
            made = MORPHISMS[name].apply(twin, site, np.random.default_rng(0))
            assert torch.equal(child.v[key], made.x[key]) and child.v[key].any()
            assert torch.equal(child.v[key.replace("weight", "bias")], twin.x[f"{key[:-6]}bias"])


def test_two_new_convolutions_of_a_stage_are_the_same_identity() -> None:
    g = next(n for n in map(varied, range(30)) if n.architecture.convs[0].smooth is False)
    child = deepen_behind(g, g.architecture.convs[0].id, 3, 2, np.random.default_rng(0))
    first = g.architecture.next_id
    for name in ("weight", "scale", "shift"):
        assert torch.equal(child.x[f"{first}.{name}"], child.x[f"{first + 1}.{name}"])


def test_widths_that_are_multiples_of_eight_stay_multiples() -> None:
    g = stack((24, 10, "P", 32), (1, 8, 8), 3)
    parent = initialise(g, np.random.default_rng(0))
    widths = {
        halves: [c.width for c in nasflow.morph(parent, "widen_all", (halves,)).architecture.convs]
        for halves in (3, 4)
    }
    assert widths == {3: [40, 15, 48], 4: [48, 20, 64]}


def test_late_layers_alone_are_widened_where_there_are_early_ones() -> None:
    g = stack((8, "P", 8, "P", 8, 8), (1, 16, 16), 3)
    child = nasflow.morph(initialise(g, np.random.default_rng(0)), "widen_late", (4,))
    assert [conv.width for conv in child.architecture.convs] == [8, 16, 16, 16]
    assert not list(MORPHISMS["widen_late"].sites(stack((8, "P", 8), (1, 16, 16), 3)))


@pytest.mark.parametrize(
    ("head", "size", "pool"),
    [
        ("head", (7, 5), "mean_pool"),
        ("head", (8, 6), "mean_pool"),
        ("peak_head", (8, 6), "pool"),
        ("peak_head", (7, 6), None),
        ("flat_head", (8, 8), None),
        ("head", (2, 9), None),
    ],
)
def test_a_new_stage_has_the_pool_that_keeps_what_the_head_reads(
    head: str, size: tuple[int, int], pool: str | None
) -> None:
    parent = initialise(stack((4, 4), (2, *size), 3, head=head), np.random.default_rng(0))
    assert nasflow.sites(parent.architecture).get("add_stage") == ([(2,)] if pool else None)
    if pool is None:
        with pytest.raises(ValueError, match="would read another value"):
            MORPHISMS["add_stage"].apply(parent, (2,), np.random.default_rng(0))
        return
    g = nasflow.morph(parent, "add_stage").architecture
    assert [node.op for node in g.nodes[3:5]] == [pool, "conv"] and len(g.convs) == 4


def test_a_skip_is_added_once() -> None:
    parent = initialise(stack((4, 4, 4, 6), (2, 8, 8), 3), np.random.default_rng(0))
    child = nasflow.morph(parent, "skip_all", (2,))
    assert sum(node.op == "add" for node in child.architecture.nodes) == 2
    assert "skip_all" not in nasflow.sites(child.architecture)


def test_identities_of_a_new_stage_change_train_mode_little() -> None:
    """Smooth images, as photographs are: neighbouring pixels are alike."""
    draw = np.random.default_rng(0).standard_normal((64, 2, 4, 4))
    images = F.interpolate(torch.tensor(draw), size=(16, 16), mode="bilinear")
    for seed in range(4):
        parent = initialise(stack((8, 8), (2, 16, 16), 5), np.random.default_rng(seed))
        parts = ({k: t.double() for k, t in part.items()} for part in parent[1:])
        parent = Network(parent.architecture, *parts)
        child = nasflow.morph(parent, "add_stage")
        a, b = (logits(n, images, training=True) for n in (child, parent))
        assert (a - b).std() < 0.5 * b.std()


def test_a_compound_child_is_described_in_few_lines_and_drawn() -> None:
    parent = initialise(TEMPLATES["chain6"]((3, 16, 16), 5), np.random.default_rng(0))
    wider, flat = (
        nasflow.morph(parent, *kind) for kind in (("widen_all", (4,)), ("flatten_head",))
    )
    assert sentences(wider.architecture, parent.architecture) == [
        "changed: conv 3×3, 32 is now conv 3×3, 64 (2 layers)",
        "changed: conv 3×3, 64 is now conv 3×3, 128 (2 layers)",
        "changed: conv 3×3, 128 is now conv 3×3, 256 (2 layers)",
    ]
    assert sentences(flat.architecture, parent.architecture) == [
        "changed: average + linear, 5 is now flatten + linear, 5"
    ]
    assert ">flatten + linear · 5<" in diagram(flat.architecture, parent.architecture)
    staged = nasflow.morph(parent, "add_stage").architecture
    assert ">mean pool 2×2<" in diagram(staged, parent.architecture)
    assert "mean_pool" in staged.describe()


def test_every_layer_has_a_line_in_show() -> None:
    assert set(OPS) - {"conv", "whiten"} == set(WHAT)
