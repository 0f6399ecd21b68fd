"""The particles of one round: counts, and for NASAGD the potential phi that drives them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nasflow.particles import flow, scaling
from nasflow.particles.flow import Counts, Matrix, Vector


class Info(NamedTuple):
    """What the log keeps of a step: vectors (m,) after it, but `share` and `energy` those that
    decided it; `clock` is kappa tau (NASGD) or the time step of phi (NASAGD)."""

    counts: Counts
    share: Vector
    energy: Vector
    moved: Counts
    phi: Vector
    restarted: bool
    weight: float
    clock: float


class Particles:
    """N particles on g_r and a ghost on each child, moved by `algorithm` over the edges K.

    `nasgd` is first order: particles descend E = w U'(f) + V. `nasagd` is second order: they climb
    phi, and E pushes phi down. Options are the keys of config.Search."""

    def __init__(self, algorithm: str, K: Matrix, search: dict[str, Any]) -> None:
        self.second_order = algorithm == "nasagd"
        self._K, self._options = K, search
        self._scale = _scale(K, search)
        self.counts = flow.init(search["particles"], len(K) - 1)
        self.phi = np.zeros(len(K))
        self._total = float(self.counts.sum())  # ghosts too; no step changes it

    def state(self) -> dict[str, np.ndarray]:
        """All that steps change, for `restore`."""
        return {"counts": self.counts, "phi": self.phi}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.counts, self.phi = state["counts"], state["phi"]

    @property
    def leader(self) -> int:
        """The node with most particles."""
        return int(np.argmax(self.counts))

    @property
    def winner(self) -> int | None:
        """The child that ends the round, if there is one."""
        return flow.winner(self.counts)

    def step(
        self,
        rng: np.random.Generator,
        V: Vector,
        standard_error: Vector,
        tau: float,
        *,
        still: bool,
        dead: np.ndarray | None = None,
    ) -> Info:
        """One step at the losses V (with |v|^2 / 2 added where the kinetic term is wanted).

        `still` reports without moving: the warm-up of the averages. Particles leave the children
        that are `dead` (m,) before all else, and none comes back."""
        if dead is not None and dead.any():
            self._leave(rng, dead)
        w, clock = self._scale(V, standard_error, tau)
        f = self._share()
        E = self._energy(f, V, w)
        moved, restarted = np.zeros(len(V), dtype=np.int64), False
        if self.second_order:
            clock = self._clock(clock, tau)
        if not still and self.second_order:
            moved, restarted = self._second(rng, V, w, clock)
        elif not still:
            Q = flow.first_order_rates(E, self._K)  # (D.1, step 2)
            self.counts, moved = flow.move(rng, self.counts, Q, clock)
        return Info(self.counts, f, E, moved, self.phi, restarted, w, clock)

    def _leave(self, rng: np.random.Generator, dead: np.ndarray) -> None:
        """The particles of dead children go along their edges to nodes that live (to g_r where no
        edge leads to one); then the edges go. Ghosts stay."""
        counts = self.counts.copy()
        for node in np.flatnonzero(dead[1:] & (counts[1:] > 1)) + 1:
            weights = np.where(dead, 0.0, self._K[node])
            if not weights.any():
                weights[0] = 1.0
            counts += rng.multinomial(counts[node] - 1, weights / weights.sum())
            counts[node] = 1
        self.counts = counts
        self._K = np.where(dead[:, None] | dead[None, :], 0.0, self._K)

    def _second(
        self, rng: np.random.Generator, V: Vector, w: float, clock: float
    ) -> tuple[Counts, bool]:
        """Move by the present phi, then push phi by the shares after the moves.

        D.2 lists the two in this order; with the new f it is the symplectic Euler scheme, whose
        energy stays bounded where the explicit one's grows."""
        options = self._options["second_order"]
        paper = self._options["scaling"] == "paper"
        friction, kappa = options["friction"], self._options["kappa"] if paper else 1.0
        if friction is None:
            friction = 0.0 if paper else 1.0
        if not paper:
            friction *= scaling.damping(self._options["mobility"], clock)
        Q = flow.second_order_rates(self.phi, self._K)  # (D.2, step 2)
        self.counts, moved = flow.move(rng, self.counts, Q, kappa * clock)
        f = self._share()
        self.phi = flow.push(  # (D.2, step 3)
            self.phi,
            self._energy(f, V, w),
            self._K,
            tau=clock,
            friction=friction,
            paper_coefficient=options["paper_coefficient"],
        )
        restarted = options["restart"] != "never" and (
            flow.uphill(f, self.phi, V, self._K, signed=options["restart"] == "signed") > 0.0
        )
        if restarted:
            self.phi = np.zeros_like(self.phi)
        return moved, restarted

    def _clock(self, kappa_tau: float, tau: float) -> float:
        """NASAGD's time step: tau as printed, or with `auto` the one of which two make NASGD's
        kappa tau (phi needs a step to grow before a share `mobility` leaves g_r)."""
        return tau if self._options["scaling"] == "paper" else math.sqrt(kappa_tau)

    def _share(self) -> Vector:
        f: Vector = self.counts / self._total
        return f

    def _energy(self, f: Vector, V: Vector, w: float) -> Vector:
        options = self._options
        w = 0.0 if options["potential"] == "none" else w
        return flow.energy(f, V, kind=_kind(options), beta=options["beta"], weight=w)


def _kind(search: dict[str, Any]) -> str:
    """Without entropy particles keep the clock that the power potential gives them."""
    kind: str = search["potential"]
    return "power" if kind == "none" else kind


def _scale(K: Matrix, search: dict[str, Any]) -> scaling.Scale:
    if search["scaling"] == "paper":
        return scaling.paper(kappa=search["kappa"], entropy_weight=search["entropy_weight"])
    return scaling.auto(
        m=len(K),
        degree=float(K[0].sum()),
        particles=search["particles"],
        kind=_kind(search),
        beta=search["beta"],
        confidence=search["confidence"],
        min_lead=search["min_lead"],
        mobility=search["mobility"],
    )
