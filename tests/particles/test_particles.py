"""Particles move to lower losses, stay finite and leave networks that dropped out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from nasflow.config.reading import parse
from nasflow.config.search import Search
from nasflow.particles import flow, scaling
from nasflow.particles.flow import graph
from nasflow.particles.particles import Info, Rules, State, rules, start, step


def _rules(potential: str = "power", **second_order: Any) -> Rules:
    search = parse(Search, {"potential": potential, "second_order": second_order})
    return rules("nasagd", flow.graph(np.ones(8), 1.0), search)


BOUNDARY = scaling.boundary(
    Search().confidence,
    window=Search().window,
    warmup_steps=Search().warmup_steps,
    burn_in=Search().burn_in,
    max_steps=Search().max_steps,
)
LOSSES = np.array([0.5, 0.45, 0.5, 0.3, 0.52, 0.5, 0.48, 0.5, 0.6])


def _follow(given: Rules, steps: int) -> list[tuple[State, Info]]:
    rng, error, state = np.random.default_rng(0), np.full(9, 0.02), start(given)
    found = []
    for _ in range(steps):
        state, info = step(rng, state, LOSSES, error, 0.05, given)
        found.append((state, info))
    return found


def test_nasagd_tends_to_lower_losses() -> None:
    states = [state for state, _ in _follow(_rules(), 60)]
    mean = [float(state.counts @ LOSSES / state.counts.sum()) for state in states]
    assert mean[-1] < 0.42 < 0.49 < mean[0]
    assert np.argmax(states[-1].counts) == 3
    assert flow.winner(states[-1].counts) == 3


def test_the_printed_restart_keeps_every_particle_at_home() -> None:
    """While one child is worse than g_r, phi is reset before any particle has moved."""
    assert _follow(_rules(restart="paper"), 60)[-1][0].counts[0] == 1000


def test_a_step_changes_nothing_that_it_was_given() -> None:
    given, rng = _rules(), np.random.default_rng(0)
    state = _follow(given, 10)[-1][0]
    counts, phi = state.counts.copy(), state.phi.copy()
    again = [
        step(np.random.default_rng(1), state, LOSSES, np.full(9, 0.02), 0.05, given)
        for _ in range(2)
    ]
    assert np.array_equal(state.counts, counts) and np.array_equal(state.phi, phi)
    assert all(np.array_equal(a, b) for a, b in zip(again[0][0], again[1][0], strict=True))
    assert not np.array_equal(again[0][0].counts, counts), "the step moved particles"
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state


def test_the_instant_of_a_step_is_the_state_before_it() -> None:
    found = _follow(_rules(), 60)
    for (before, _), (after, info) in pairwise(found):
        assert np.array_equal(info.counts, before.counts)
        assert np.array_equal(info.phi, before.phi)
        assert np.array_equal(info.after, after.counts)
        assert np.array_equal(info.share, before.counts / before.counts.sum())
        assert np.allclose(info.energy, info.weight * info.share + LOSSES, rtol=1e-15, atol=0.0)
    assert any(info.moved.any() for _, info in found)


@pytest.mark.parametrize("algorithm", ["nash", "none", "nasgdx"])
def test_an_algorithm_that_moves_no_particles_is_refused(algorithm: str) -> None:
    with pytest.raises(ValueError, match="expected nasgd or nasagd"):
        rules(algorithm, flow.graph(np.ones(8), 1.0), Search())


@pytest.mark.parametrize("potential", ["power", "log"])
@pytest.mark.parametrize(
    ("friction", "lead", "ends"), [(0.0, 0.0, 12), (1.0, 0.0, 0), (1.0, 1.6, 12)]
)
def test_nasagd_ends_a_round_for_a_lead_not_for_its_momentum(
    potential: str, friction: float, lead: float, ends: int
) -> None:
    """Nine nodes, one ahead by `lead` times the lead that decides; 12 rounds of 100 steps.

    Without a restart it is friction alone that stops the particles.
    """
    error, losses, ended = 0.01, np.full(9, 0.5), 0
    for seed in range(12):
        given = _rules(friction=friction, potential=potential, restart="never")
        rng, state = np.random.default_rng(seed), start(given)
        losses[4] = 0.5 - lead * BOUNDARY * error
        for _ in range(100):
            state, _ = step(rng, state, losses, np.full(9, error), 0.05, given)
            winner = flow.winner(state.counts)
            if winner is not None:
                assert lead == 0.0 or winner == 4
                ended += 1
                break
    assert ended == ends


@pytest.mark.parametrize("restart", ["free_energy", "signed", "never"])
@pytest.mark.parametrize("friction", [0.0, 1.0])
@pytest.mark.filterwarnings("error")
def test_phi_stays_finite_when_a_node_empties(restart: str, friction: float) -> None:
    """Without a floor the default overflowed after 14 steps."""
    found = _follow(_rules(restart=restart, friction=friction), 2000)
    assert all(np.isfinite(state.phi).all() for state, _ in found)
    assert found[-1][0].counts.sum() == 1008


@pytest.mark.parametrize("friction", [0.0, 0.5, 1.0, 50.0])
@pytest.mark.parametrize("restart", ["free_energy", "signed", "never"])
def test_phi_stays_finite_whatever_a_sibling_loses(friction: float, restart: str) -> None:
    given = _rules(restart=restart, friction=friction)
    rng, V, state = np.random.default_rng(0), np.zeros(9), start(given)
    V[3], V[1] = 10.0, -0.001
    for _ in range(300):
        state, _ = step(rng, state, V, np.full(9, 1e-4), 0.05, given)
        assert np.isfinite(state.phi).all()
        assert state.counts.sum() == 1008
    assert state.counts[3] < 100


def test_particles_of_dropouts_go_along_edges_and_none_comes_back() -> None:
    search = parse(Search, {"particles": 100, "graph": "star"})
    given = rules("nasgd", graph(np.ones(3), 0.0), search)
    state = State(np.array([40, 41, 21, 1]), np.zeros(4))
    rng, dropped = np.random.default_rng(0), np.array([False, True, True, False])
    zeros = np.zeros(4)
    state, info = step(rng, state, zeros, zeros, 0.05, given, still=True, dropped=dropped)
    assert info.counts.tolist() == state.counts.tolist() == [100, 1, 1, 1]
    attractive = np.array([0.0, -9.0, -9.0, -0.5])
    for _ in range(50):
        state, _ = step(rng, state, attractive, zeros, 0.05, given, dropped=dropped)
        assert state.counts[1:3].tolist() == [1, 1] and state.counts.sum() == 103
    assert state.counts[3] > 1, "the child that trains on attracts particles"


@pytest.mark.parametrize("others", [0.0, 0.4, 1.0, 20.0])
@pytest.mark.parametrize("m", [2, 3, 5, 9])
@pytest.mark.parametrize("algorithm", ["nasgd", "nasagd"])
def test_a_lead_decides_whatever_the_others_lose(algorithm: str, m: int, others: float) -> None:
    """The other children trail by `others` times the lead that decides, without noise.

    Where they trail by just that lead, they empty so slowly that 0.9 of it ends a round of nine.
    """
    error, search = 0.01, parse(Search, {"particles": 10**6})
    given = rules(algorithm, flow.graph(np.ones(m - 1), 1.0), search)
    for part, expected in ((0.6, None), (0.8, None), (1.2, 1)):
        losses = np.full(m, 0.5 + others * BOUNDARY * error)
        losses[:2] = 0.5, 0.5 - part * BOUNDARY * error
        rng, state, winner = np.random.default_rng(0), start(given), None
        for _ in range(200):
            state, _ = step(rng, state, losses, np.full(m, error), 0.05, given)
            winner = flow.winner(state.counts)
            if winner is not None:
                break
        assert winner == expected


@pytest.mark.parametrize("scaling", ["auto", "tied", "paper"])
@pytest.mark.parametrize("algorithm", ["nasgd", "nasagd"])
@pytest.mark.filterwarnings("error")
def test_a_step_size_of_zero_is_a_step(algorithm: str, scaling: str) -> None:
    """A cosine with `lambda_final: 0` reaches it. With `paper` nothing moves then."""
    search = parse(Search, {"scaling": scaling, "second_order": {"friction": 1.0}})
    given = rules(algorithm, flow.graph(np.ones(8), 1.0), search)
    rng, state = np.random.default_rng(0), start(given)
    for tau in (0.05, 0.05, 0.0, 0.0, 0.05):
        before = state
        state, _ = step(rng, state, LOSSES, np.full(9, 0.02), tau, given)
        assert np.isfinite(state.phi).all() and state.counts.sum() == 1008
        if tau == 0.0 and scaling == "paper":
            assert np.array_equal(state.counts, before.counts)
            assert np.array_equal(state.phi, before.phi) or not state.phi.any()


def test_a_child_that_is_out_does_not_count_as_the_leader() -> None:
    """Its loss is the lowest, but the entropy weight is that of the children that train on."""
    given, error = rules("nasgd", graph(np.ones(3), 1.0), Search()), np.full(4, 0.02)
    rng, losses = np.random.default_rng(0), np.array([0.5, 0.4, 0.45, -3.0])
    state, dropped = start(given), np.array([False, False, False, True])
    _, out = step(rng, state, losses, error, 0.05, given, still=True, dropped=dropped)
    losses[3] = 9.0
    _, behind = step(rng, state, losses, error, 0.05, given, still=True)
    assert out.weight == behind.weight
