"""Draws the pictures of docs/concepts.md. Run it from the root of the repository:

PYTHONPATH=. python docs/concepts.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import patches
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import nasflow
from nasflow.architecture.diagram import STYLE, diagram
from nasflow.particles import flow
from nasflow.training import schedule

FIGURES = Path(__file__).parent / "figures"
BLUE, ORANGE, GREEN, GREY, INK = "#2066a8", "#d1700f", "#3a8f3a", "#9aa3b2", "#1c2330"
KINDS = ("deepen", "widen", "skip", "kernel", "narrow")
LOSSES = np.array([0.62, 0.50, 0.57, 0.60, 0.63, 0.70])  # of the centre and its children, nats
N = 90


def save(figure: plt.Figure, name: str) -> None:
    figure.savefig(
        FIGURES / f"{name}.svg", metadata={"Date": None}, transparent=True, bbox_inches="tight"
    )
    plt.close(figure)


def counts() -> list[flow.Counts]:
    """Return the particles after every step, until one child holds twice as many as the centre.

    The particles are moved by the functions of the search itself."""
    rng, K = np.random.default_rng(2), flow.graph(np.ones(len(KINDS)), 1.0)
    path = [flow.init(N, len(KINDS))]
    while flow.winner(path[-1]) is None:
        f = path[-1] / path[-1].sum()
        E = flow.energy(f, LOSSES, kind="power", beta=1.0, weight=0.05)
        path.append(flow.move(rng, path[-1], flow.first_order_rates(E, K), 0.5)[0])
    return path


def node(axis: Axes, place: np.ndarray, n: int, text: str, colour: str, ghost: bool) -> None:
    """Draw a network with n particles, like seeds of a sunflower; the ghost is hollow."""
    axis.add_patch(patches.Circle(place, 0.36, fc="white", ec=colour, lw=2.2, zorder=2))
    turns = np.arange(n) * np.pi * (3 - np.sqrt(5))
    spread = 0.31 * np.sqrt((np.arange(n) + 0.5) / max(n, 40))
    dots = place + spread[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)
    if ghost:
        axis.plot(*dots[0], "o", ms=4.2, mfc="white", mec=INK, mew=0.9, zorder=4)
        dots = dots[1:]
    axis.plot(*dots.T, "o", ms=3.2, color=colour, mew=0, zorder=3)
    side = 0.47 if place[1] >= 0 else -0.47
    va = "bottom" if side > 0 else "top"
    axis.text(place[0], place[1] + side, text, ha="center", va=va, fontsize=9, color=INK)


def draw(axis: Axes, n: flow.Counts, title: str, winner: int | None) -> None:
    angle = np.pi / 2 + 2 * np.pi * np.arange(len(KINDS)) / len(KINDS)
    places = np.vstack([[0.0, 0.0], 1.25 * np.stack([np.cos(angle), np.sin(angle)], 1)])
    for i, a in enumerate(places):
        for b in places[i + 1 :]:
            axis.plot(*np.stack([a, b]).T, color="#d4d9e2", lw=1, zorder=1)
    for i, (place, name) in enumerate(zip(places, ("", *KINDS), strict=True)):
        colour = ORANGE if i == winner else BLUE if i == 0 else GREY
        node(axis, place, int(n[i]), name, colour, ghost=i > 0)
    axis.set_title(title, fontsize=10, color=INK, pad=12)
    axis.set(xlim=(-1.85, 1.85), ylim=(-1.75, 1.95), aspect="equal")
    axis.axis("off")


def round_() -> None:
    """Draw three pictures, which a small screen shows below each other."""
    path = counts()
    middle = next(i for i, n in enumerate(path) if n[1:].max() > 0.25 * n.sum())
    for name, n, title, winner in (
        ("start", path[0], "All N particles on the centre,\na ghost on each child", None),
        ("flow", path[middle], "They flow to where\nthe loss is lower", None),
        ("end", path[-1], "A child holds twice the centre's:\nthe next centre", 1),
    ):
        assert winner in (None, flow.winner(n))
        figure, axis = plt.subplots(figsize=(3.1, 3.6), layout="constrained")
        draw(axis, n, title, winner)
        save(figure, f"round_{name}")


def step_size() -> None:
    figure, axis = plt.subplots(figsize=(8, 2.6), layout="constrained")
    k = np.arange(0, 600)
    tau = [schedule.sgdr(int(i), 400, 0.05, 1e-7) for i in k]
    for number, (a, b) in enumerate(((0, 180), (180, 290), (290, 460), (460, 600)), 1):
        axis.axvspan(a, b, color=BLUE, alpha=0.05 if number % 2 else 0.13, lw=0)
        axis.text((a + b) / 2, 0.053, f"round {number}", ha="center", fontsize=9, color=INK)
    axis.plot(k, tau, color=BLUE, lw=2)
    axis.annotate(
        "warm restart", (400, 0.025), (425, 0.012), fontsize=9, color=INK,
        arrowprops={"arrowstyle": "->", "color": GREY},
    )  # fmt: skip
    axis.set(xlabel="step k, over all rounds", ylabel="τ", xlim=(0, 599), ylim=(0, 0.058))
    axis.spines[["top", "right"]].set_visible(False)
    save(figure, "step_size")


def morphisms() -> None:
    """Draw the base network and three children, each with its differences to its parent."""
    g = nasflow.chain((8, 16), 3, (1, 16, 16), 10)
    network = nasflow.initialise(g, np.random.default_rng(0))
    deeper = nasflow.morph(network, "deepen", (3, 3))
    skip = nasflow.morph(deeper, "connect_add", (3, 5)).architecture
    family = {
        "base": (g, None),
        "deepen": (deeper.architecture, g),
        "widen": (nasflow.morph(network, "widen", (1, 2)).architecture, g),
        "connect_add": (skip, deeper.architecture),
    }
    light = STYLE.partition("@media")[0]
    for title, (child, parent) in family.items():
        picture = diagram(child, parent, title, style=light)
        (FIGURES / f"morphism_{title}.svg").write_text(picture + "\n")


STAGES = {
    "prepare": (0, 1, "data, splits"), "pretrain": (1, 1, "g₀"),
    "search_round": (2, 1, "round 1, 2, …"),
    "select_winner": (3, 1, "the last centre"), "final_train": (4, 1, "to convergence"),
    "evaluate": (5, 1, "test set, once"), "plan": (3, 2, "the budget"),
    "track_pretrain": (1, 0, "MLflow"), "track_round": (2, 0, "MLflow"),
    "track_final": (5, 0, "MLflow"),
}  # fmt: skip
ARROWS = (
    *zip(list(STAGES)[:5], list(STAGES)[1:6], strict=True),
    ("plan", "select_winner"), ("pretrain", "track_pretrain"), ("search_round", "track_round"),
    ("evaluate", "track_final"), ("track_pretrain", "track_round"), ("track_round", "track_final"),
)  # fmt: skip


def pipeline() -> None:
    figure, axis = plt.subplots(figsize=(10, 2.9), layout="constrained")
    for name, (x, y, note) in STAGES.items():
        mirror = y == 0
        colour = GREY if mirror else GREEN if name == "plan" else BLUE
        box = patches.FancyBboxPatch(
            (1.62 * x - 0.63, y - 0.27), 1.26, 0.54, boxstyle="round,pad=0,rounding_size=0.09",
            fc="white", ec=colour, lw=1.8,
        )  # fmt: skip
        axis.add_patch(box)
        axis.text(
            1.62 * x, y + 0.08, name, ha="center", va="center", fontsize=9, color=INK, weight="bold"
        )
        axis.text(1.62 * x, y - 0.13, note, ha="center", va="center", fontsize=8, color="#5b6472")
    for a, b in ARROWS:
        (xa, ya, _), (xb, yb, _) = STAGES[a], STAGES[b]
        level = ya == yb
        start = (1.62 * xa + 0.63 * level, ya + 0.27 * np.sign(yb - ya))
        end = (1.62 * xb - 0.63 * level, yb - 0.27 * np.sign(yb - ya))
        axis.annotate(
            "", end, start, arrowprops={"arrowstyle": "-|>", "color": "#66708a", "lw": 1.2}
        )
    loop = patches.FancyArrowPatch(
        (1.62 * 2 + 0.35, 1.27), (1.62 * 2 - 0.35, 1.27), connectionstyle="arc3,rad=0.9",
        arrowstyle="-|>", mutation_scale=10, color="#66708a", lw=1.2,
    )  # fmt: skip
    axis.add_patch(loop)
    axis.text(1.62 * 2, 1.68, "next round", ha="center", fontsize=8, color="#5b6472")
    axis.set(xlim=(-0.75, 8.85), ylim=(-0.4, 2.35))
    axis.axis("off")
    save(figure, "pipeline")


if __name__ == "__main__":
    mpl.rcParams |= {"svg.hashsalt": "nasflow", "svg.fonttype": "path", "font.size": 9}
    round_()
    step_size()
    morphisms()
    pipeline()
