"""The ideal dynamics obey the laws of the flow and find the deepest well."""

from __future__ import annotations

from typing import Any

import laws
import numpy as np
import pytest
import reference

import nasflow
from nasflow.particles import ideal

PLACE = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, -1.0]])


DEPTH = np.array([0.0, 0.6, 0.3, 1.0])


CURVATURE = np.array([1.0, 2.0, 0.5, 1.5])


PATH = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1)


def wells(**options: Any) -> ideal.Dynamics:
    """Four wells on a path: a worse node lies between the start and the deepest one."""
    return ideal.Dynamics(
        V=lambda x: 0.5 * CURVATURE * ((x - PLACE) ** 2).sum(1) - DEPTH,
        gradient=lambda x: CURVATURE[:, None] * (x - PLACE),
        K=PATH,
        **options,
    )


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("particles", [None, 10_000])
def test_the_ideal_dynamics_find_the_deepest_well(order: int, particles: int | None) -> None:
    dynamics = wells(order=order, kind="log", weight=0.5, friction=2.0)
    start = np.array([0.97, 0.01, 0.01, 0.01])
    path = ideal.minimise(dynamics, np.zeros((4, 2)), f=start, steps=3000, particles=particles)
    node, x = path.best
    assert node == 3
    np.testing.assert_allclose(x, PLACE[3], atol=1e-4)
    target = reference.equilibrium(-DEPTH, "log", 1.0, 0.5)
    np.testing.assert_allclose(path.f[-1], target, atol=0.03)


def test_a_barrier_holds_the_power_potential_not_the_logarithm() -> None:
    """Mass at node 1 passes node 2 only if w f_1^beta + V_1 > V_2; log f of an empty node is low
    enough for any barrier. A complete graph has none."""
    start = np.array([0.01, 0.97, 0.01, 0.01])
    ends = {
        kind: ideal.minimise(wells(kind=kind, weight=0.25), PLACE, f=start, steps=6000).f[-1]
        for kind in ("power", "log")
    }
    assert ends["power"][1] > 0.9
    assert ends["log"][3] > ends["log"][1]


def test_the_exact_path_ends_where_a_node_empties_and_particles_go_on() -> None:
    with pytest.raises(ValueError, match="a node emptied"):
        ideal.minimise(wells(order=2), np.zeros((4, 2)), steps=300)
    path = ideal.minimise(wells(order=2), np.zeros((4, 2)), steps=300, particles=1000)
    assert np.isfinite(path.energy).all()


@pytest.mark.parametrize("order", [1, 2])
def test_the_energy_of_moving_points_falls_at_its_rate(order: int) -> None:
    dynamics = wells(order=order, friction=0.7)
    path = ideal.minimise(dynamics, np.ones((4, 2)), tau=5e-4, steps=2000)
    states = [ideal.State(*parts) for parts in zip(*path[1:5], strict=True)]
    if order == 1:
        rate = [
            reference.dissipation(s.f, dynamics.E(s), PATH)
            + s.f @ (dynamics.gradient(s.x) ** 2).sum(1)
            for s in states
        ]
    else:
        rate = [
            0.7 * (2 * ideal.kinetic_energy(s.f, s.phi, PATH) + s.f @ (s.v**2).sum(1))
            for s in states
        ]
    lost = laws.integral(np.array(rate), 5e-4)[-1]
    assert path.energy[0] - path.energy[-1] == pytest.approx(lost, rel=1e-5)
    np.testing.assert_allclose(path.f.sum(1), 1.0, atol=1e-12)


def test_particles_of_the_ideal_dynamics_approach_its_mean_field() -> None:
    for order in (1, 2):
        dynamics = wells(order=order)
        runs = [
            ideal.minimise(dynamics, np.zeros((4, 2)), tau=2e-3, steps=500, particles=particles)
            for particles in (None, 10**7)
        ]
        np.testing.assert_allclose(runs[0].f[-1], runs[1].f[-1], atol=2e-3)


def test_a_flow_with_too_long_steps_says_so() -> None:
    K = 100.0 * (np.ones((4, 4)) - np.eye(4))
    with pytest.raises(ValueError, match=r"tau: 1\.0; the shares left every bound"):
        nasflow.run_flow([0.0, 1.0, 2.0, 3.0], K, kind="log", tau=1.0, steps=500)


def test_a_flow_on_an_own_graph_ends_at_its_equilibrium() -> None:
    V, K = [0.0, 0.3, 0.1], [[0, 1, 0], [1, 0, 2], [0, 2, 0]]
    path = nasflow.run_flow(V, K, kind="log", weight=0.2, steps=4000, tau=0.05)
    assert path.f[-1] == pytest.approx(
        np.exp(-np.array(V) / 0.2) / np.exp(-np.array(V) / 0.2).sum()
    )
    with pytest.raises(ValueError, match="symmetric"):
        nasflow.run_flow(V, [[0, 1, 0], [0, 0, 0], [0, 0, 0]])
    with pytest.raises(ValueError, match="edge to itself"):
        nasflow.run_flow(V, np.ones((3, 3)))
