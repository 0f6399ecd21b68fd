"""Negative compound morphisms: a network shrinks as a whole, and what matters most stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from cases import batch_of, logits, varied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nasflow
from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import TEMPLATES, stack
from nasflow.config.search import SHRINKING
from nasflow.network.importance import importance
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, forward, initialise

INVERSE = {
    "widen_all": "narrow_all",
    "widen_late": "narrow_late",
    "deepen_stages": "shallow_stages",
    "add_stage": "remove_stage",
    "enlarge_all": "shrink_all",
    "flatten_head": "average_head",
}
seeds = st.integers(0, 10**5)
few = settings(
    max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def children(name: str, seed: int) -> tuple[Network, list[Network]]:
    """A random network with at least one site of a kind, and its children at all sites."""
    for other in range(seed, seed + 60):
        parent = varied(other, torch.float64)
        if sites := sorted(MORPHISMS[name].sites(parent.architecture)):
            rng = np.random.default_rng(seed)
            return parent, [MORPHISMS[name].apply(parent, site, rng) for site in sites]
    raise AssertionError(f"{name}: no site in 60 networks from seed {seed} on")


def network(*layers: object, head: str = "head", classes: int = 3, seed: int = 0) -> Network:
    g = stack(layers, (2, 16, 16), classes, head=head)  # type: ignore[arg-type]
    return initialise(g, np.random.default_rng(seed))


def change(a: Network, b: Network) -> float:
    batch = batch_of(b, 16)
    return float((logits(a, batch) - logits(b, batch)).abs().max())


@pytest.mark.parametrize("name", SHRINKING)
@few
@given(seed=seeds)
def test_children_are_smaller_legal_and_all_their_tensors_learn(name: str, seed: int) -> None:
    parent, found = children(name, seed)
    for child in found:
        g = child.architecture
        assert g.parameters < parent.architecture.parameters
        assert Architecture.from_json(g.to_json()) == g
        x = {k: t.clone().requires_grad_() for k, t in child.x.items()}
        out = forward(g, x, dict(child.buffers), batch_of(child, 32), training=True)
        assert torch.isfinite(out).all()
        slopes = torch.autograd.grad(F.cross_entropy(out, torch.arange(32) % 5), list(x.values()))
        same = {(n.id, n.inputs) for n in g.nodes} & {
            (n.id, n.inputs) for n in parent.architecture.nodes
        }
        dead = [k for k, s in zip(x, slopes, strict=True) if not s.any()]
        # A mix of two maps that are equal, or an input that is 0 in the parent, was dead before.
        assert all((int(k.split(".")[0])) in {i for i, _ in same} for k in dead)


@pytest.mark.parametrize("name", sorted(INVERSE))
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_each_undoes_the_morphism_that_grows(name: str, activation: str) -> None:
    """The function comes back, too, because nothing has been learned in between."""
    g = stack((8, 8, "P", 16, 16), (2, 15, 12), 5, activation=activation)
    parent = initialise(g, np.random.default_rng(0))
    for site in sorted(MORPHISMS[name].sites(g))[-1:]:
        grown = nasflow.morph(parent, name, site)
        places = nasflow.sites(grown.architecture)[INVERSE[name]]
        once = [nasflow.morph(grown, INVERSE[name], place) for place in places]
        assert min(change(child, parent) for child in once) < 1e-5
        if name != "deepen_stages":  # the join of a branch is left; it reads one map
            assert parent.architecture in [child.architecture for child in once]


def test_widths_stay_multiples_and_never_fall_below_the_least() -> None:
    parent = network(8, 12, "P", 24, 64, "P", 40)
    found = {
        site: [c.width for c in nasflow.morph(parent, "narrow_all", site).architecture.convs]
        for site in nasflow.sites(parent.architecture)["narrow_all"]
    }
    assert found == {
        (2, 4): [4, 6, 12, 32, 24],
        (2, 8): [8, 8, 12, 32, 24],
        (3, 4): [6, 9, 20, 48, 32],
        (3, 8): [8, 9, 20, 48, 32],
    }


def test_no_layer_is_narrowed_below_the_narrowest_where_that_is_the_bound() -> None:
    """So a bound `min_filters` that the parent keeps leaves a child, if any layer is wider."""
    found = nasflow.draw_children(
        network(8, "P", 16, "P", 32),
        9,
        moves="compound",
        morphisms=dict.fromkeys(MORPHISMS, 0.0) | {"narrow_all": 1.0},
        min_filters=8,
    )
    assert found and all(c.width >= 8 for one in found for c in one.network.architecture.convs)


def test_the_filters_that_matter_stay() -> None:
    """A filter without scale, or one that no weight reads, has no influence on the logits."""
    parent = network(8, 8, classes=5)
    parent.x["1.scale"][::2] = 0.0
    parent.x["1.shift"][::2] = 0.0
    parent.x["3.weight"][:, ::2] = 0.0
    child = nasflow.morph(parent, "narrow_all", (2, 4))
    assert [c.width for c in child.architecture.convs] == [4, 4]
    assert change(child, parent) < 1e-5
    assert not importance(parent, 1)[::2].any() and not importance(parent, 2)[::2].any()
    assert importance(parent, 1)[1::2].all() and importance(parent, 2)[1::2].all()


def test_one_convolution_of_each_stage_goes_and_it_is_the_identity_if_there_is_one() -> None:
    parent = network(8, 8, "P", 16, 16, 16, "P", 16)
    parent = nasflow.morph(parent, "deepen_stages", (1,))
    child = nasflow.morph(parent, "shallow_stages")
    assert [len(stage) for stage in child.architecture.stages] == [2, 3, 1]
    assert change(child, parent) < 1e-5
    skipped = nasflow.morph(network(8, 8, 8), "skip_all")
    left = nasflow.morph(skipped, "shallow_stages").architecture
    assert len(left.convs) == 2 and all(len(set(n.inputs)) == len(n.inputs) for n in left.nodes)


def test_the_last_stage_goes_with_its_pool_and_the_head_keeps_what_it_learned() -> None:
    parent = network(8, "P", 16, "P", 24, 24)
    child = nasflow.morph(parent, "remove_stage")
    g = child.architecture
    assert [c.width for c in g.convs] == [8, 16] and len(g.stages) == 2
    assert g.head.inputs == (g.convs[-1].id,)
    key = f"{g.head.id}.weight"
    assert child.x[key].shape == (3, 16) and child.x[key].any()
    assert not child.v[key].any()
    twin = parent._replace(v={k: 3.0 * t for k, t in parent.x.items()})
    torch.testing.assert_close(nasflow.morph(twin, "remove_stage").v[key], 3.0 * child.x[key])


def test_a_stage_stays_where_the_head_reads_pixels_or_nothing_would_be_left() -> None:
    for parent in (network(8, "P", 8, head="flat_head"), network(8, 8)):
        assert "remove_stage" not in nasflow.sites(parent.architecture)


@pytest.mark.parametrize("template", ["airbench", "resnet20"])
def test_templates_shrink_step_by_step_to_a_few_thousand_parameters(template: str) -> None:
    current = initialise(TEMPLATES[template]((3, 32, 32), 10), np.random.default_rng(0))
    weights = {name: float(name in SHRINKING) for name in MORPHISMS}
    sizes = [current.architecture.parameters]
    while children := nasflow.draw_children(
        current, 9, moves="compound", morphisms=weights, max_inputs=16, max_conv_layers=40
    ):
        current = min((c.network for c in children), key=lambda n: n.architecture.parameters)
        sizes.append(current.architecture.parameters)
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 10_000
