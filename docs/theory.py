"""Draws the figures of docs/theory.md. Run it from the root of the repository:

PYTHONPATH=.:tests python docs/theory.py

It takes ten seconds on one core.
"""

from __future__ import annotations

from pathlib import Path

import laws
import matplotlib as mpl
import numpy as np
import reference
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from nasflow.particles import flow, ideal

FIGURES = Path(__file__).parent / "figures"
POTENTIALS = {
    "log f": ("log", 1.0),
    "f (β = 1)": ("power", 1.0),
    "f² (β = 2)": ("power", 2.0),
    "f³ (β = 3)": ("power", 3.0),
}
BLUE, ORANGE, GREEN, GREY = "#2066a8", "#d1700f", "#3a8f3a", "#777777"
COLOURS = (BLUE, ORANGE, GREEN, "#8a4fa3")


def follow(losses: np.ndarray, K: np.ndarray, f: np.ndarray, **options: object) -> ideal.Trajectory:
    """Run the ideal dynamics at constant losses."""
    run = {name: options.pop(name) for name in ("tau", "steps", "particles") if name in options}
    still = ideal.Dynamics(lambda x: losses, lambda x: 0 * x, K, **options)
    return ideal.minimise(still, np.zeros((len(losses), 1)), f=f, **run)


def save(figure: plt.Figure, name: str) -> None:
    figure.savefig(FIGURES / f"{name}.png", dpi=120, metadata={"Software": None})
    plt.close(figure)


def panels(count: int) -> tuple[plt.Figure, list[Axes]]:
    figure, axes = plt.subplots(1, count, figsize=(4.2 * count, 3.1), layout="constrained")
    return figure, list(np.atleast_1d(axes))


def free_energy() -> None:
    figure, (left, right) = panels(2)
    for (name, (kind, beta)), colour in zip(list(POTENTIALS.items())[:2], COLOURS, strict=False):
        path = follow(laws.V, laws.K, laws.START, kind=kind, beta=beta, tau=0.002, steps=1500)
        E = [flow.energy(f, laws.V, kind=kind, beta=beta, weight=1.0) for f in path.f]
        exact = [reference.dissipation(f, e, laws.K) for f, e in zip(path.f, E, strict=True)]
        left.plot(path.t, path.energy - path.energy[0], color=colour, label=f"U' = {name}")
        right.plot(path.t, exact, color=colour, label=f"exact, U' = {name}")
        measured = -np.gradient(path.energy, path.t)[1:-1:60]
        right.plot(path.t[1:-1:60], measured, "o", ms=4, mfc="none", color=colour)
    right.plot([], [], "o", ms=4, mfc="none", color=GREY, label="slope of F along the path")
    left.set(xlabel="time", ylabel="F(t) − F(0), nats", title="Free energy falls")
    right.set(
        xlabel="time", ylabel="−dF/dt, nats per time", yscale="log", title="at its exact rate"
    )
    left.legend(frameon=False)
    right.legend(frameon=False, fontsize=8)
    save(figure, "free_energy")


def equilibrium() -> None:
    figure, (axis,) = panels(1)
    figure.set_size_inches(6.2, 3.3)
    losses = np.array([0.3, 0.1, 0.0, 0.9, 0.2])
    fine = np.linspace(-0.03, 0.95, 2000)
    for (name, (kind, beta)), colour in zip(POTENTIALS.items(), COLOURS, strict=True):
        f = follow(losses, laws.K, laws.START, kind=kind, beta=beta, tau=0.1, steps=3000).f[-1]
        exact = reference.equilibrium(losses, kind, beta)
        if kind == "log":
            curve = exact[2] * np.exp(-fine)
        else:
            c = exact[2] ** beta + losses[2]
            curve = np.maximum(c - fine, 0.0) ** (1 / beta)
        axis.plot(fine, curve, color=colour, lw=1.2, label=f"U' = {name}")
        axis.plot(losses, f, "o", ms=6, mfc="none", color=colour)
    axis.plot([], [], "o", mfc="none", color=GREY, label="the flow, time 300")
    axis.set(
        xlabel="loss V of the node, nats",
        ylabel="share f",
        title="Equilibrium (lines: closed form)",
    )
    axis.legend(frameon=False, fontsize=8)
    save(figure, "equilibrium")


def root_n() -> None:
    figure, (axis,) = panels(1)
    figure.set_size_inches(5.4, 3.3)
    N = 10 ** np.arange(2, 7)
    for second, colour, name in ((False, BLUE, "first order"), (True, ORANGE, "second order")):
        errors = [laws.error_of_counts(flow.move, particles, second=second) for particles in N]
        slope = np.polyfit(np.log(N), np.log(errors), 1)[0]
        print(f"slope of the error, {name}: {slope:.3f}")
        axis.loglog(N, errors, "o", color=colour, label=f"{name}, slope {slope:.2f}")
    axis.loglog(N, errors[2] * np.sqrt(N[2] / N), "--", color=GREY, label="slope −1/2")
    axis.set(
        xlabel="particles N", ylabel="error of the shares", title="Counts approach the mean field"
    )
    axis.legend(frameon=False)
    save(figure, "root_n")


def total_energy() -> None:
    figure, (left, right) = panels(2)
    run = {"order": 2, "kinetic": False, "tau": 0.001}
    for paper, colour, name in ((False, BLUE, "½ (default)"), (True, ORANGE, "as printed")):
        path = follow(
            laws.V, laws.K, laws.START, **run, steps=1400, friction=0.0, paper_coefficient=paper
        )
        rise = path.energy - path.energy[0]
        print(f"energy without friction, {name}: {rise[-1]:.2e} nats at time {path.t[-1]:.1f}")
        left.plot(path.t, rise, color=colour, label=name)
    for friction, colour in ((0.5, GREEN), (1.0, BLUE), (2.0, ORANGE)):
        path = follow(laws.V, laws.K, laws.START, **run, steps=3000, friction=friction)
        T = np.array(
            [ideal.kinetic_energy(f, phi, laws.K) for f, phi in zip(path.f, path.phi, strict=True)]
        )
        lost = 2 * friction * laws.integral(T, run["tau"])
        right.plot(path.t, path.energy - path.energy[0], color=colour, label=f"γ = {friction:g}")
        right.plot(path.t[::200], -lost[::200], "o", ms=4, mfc="none", color=colour)
    right.plot([], [], "o", ms=4, mfc="none", color=GREY, label="−2γ ∫ T dt")
    left.set(xlabel="time", ylabel="H(t) − H(0), nats", title="Without friction (γ = 0)")
    right.set(xlabel="time", ylabel="H(t) − H(0), nats", title="With friction")
    left.legend(frameon=False, title="coefficient", alignment="left")
    right.legend(frameon=False)
    save(figure, "total_energy")


def overshoot() -> None:
    figure, (axis,) = panels(1)
    figure.set_size_inches(6.2, 3.3)
    m, w = 9, 0.25
    K, f = np.ones((m, m)) - np.eye(m), np.eye(m)[0]
    run = {"weight": w, "tau": 0.005, "steps": 1600, "particles": 10**6}
    path = follow(np.zeros(m), K, f, **run)
    axis.plot(path.t, path.f[:, 0], color=GREY, lw=2.5, label="first order")
    for units, colour in ((0.0, "#a02020"), (0.5, ORANGE), (1.0, GREEN), (1.5, BLUE)):
        friction = units * np.sqrt(w * (m - 1))
        path = follow(np.zeros(m), K, f, **run, order=2, kinetic=False, friction=friction)
        label = f"second order, γ = {units:g} √(w Σ_j K_0j)"
        axis.plot(path.t, path.f[:, 0], color=colour, label=label)
    axis.axhline(1 / (m + 8), color="black", lw=0.8, ls=":", label="a child has twice as many")
    axis.set(xlabel="time", ylabel="share of the parent", ylim=(0, 1), title="Nine equal nodes")
    axis.legend(frameon=False, fontsize=8)
    save(figure, "overshoot")


if __name__ == "__main__":
    mpl.use("Agg")
    FIGURES.mkdir(exist_ok=True)
    for draw in (free_energy, equilibrium, root_n, total_energy, overshoot):
        draw()
