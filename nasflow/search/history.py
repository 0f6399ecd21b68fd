"""What a round leaves behind: its steps, and the rows of its two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasflow.network.network import Network
from nasflow.particles.flow import Vector
from nasflow.particles.particles import Info
from nasflow.search.dropouts import Deaths
from nasflow.search.neighbourhood import Child
from nasflow.training.snapshot import Arrays, flat, group

Row = dict[str, Any]


class Step(NamedTuple):
    """What the log keeps of one step; vectors are (m,), losses in nats."""

    k: int
    tau: float
    losses: Vector
    V: Vector
    standard_error: Vector
    train_loss: Vector
    info: Info


def pack(history: Sequence[Step]) -> dict[str, np.ndarray]:
    """The steps as arrays, (steps,) and (steps, m), exactly."""
    plain = [name for name in Step._fields if name != "info"]
    columns = {name: np.array([getattr(s, name) for s in history]) for name in plain}
    info = {name: np.array([getattr(s.info, name) for s in history]) for name in Info._fields}
    return flat(step=columns, info=info)


def unpack(arrays: Arrays) -> list[Step]:
    """The steps of `pack`."""
    columns, info = group(arrays, "step"), group(arrays, "info")

    def row(parts: Arrays, i: int) -> Row:
        return {name: a[i] if a.ndim > 1 else a[i].item() for name, a in parts.items()}

    return [Step(**row(columns, i), info=Info(**row(info, i))) for i in range(len(columns["k"]))]


def particle_rows(history: Sequence[Step]) -> list[Row]:
    """A row a step and node."""
    return [
        {
            "step": number,
            "k": s.k,
            "node": node,
            "count": int(s.info.counts[node]),
            "share": float(s.info.counts[node] / s.info.counts.sum()),
            "validation_loss": float(s.V[node]),
            "train_loss": float(s.train_loss[node]),
            "energy": float(s.info.energy[node]),
            "tau": s.tau,
            "moved": int(s.info.moved[node]),
            "weight": s.info.weight,
            "standard_error": float(s.standard_error[node]),
            "phi": float(s.info.phi[node]),
            "restarted": s.info.restarted,
        }
        for number, s in enumerate(history, 1)
        for node in range(len(s.V))
    ]


def training_row(number: int, k: int, node: int, tau: float, loss: float) -> Row:
    """A row of a step of a baseline, which has no particles: their columns are null, and so is the
    validation loss but at the steps that are judged."""
    known = {"step": number, "k": k, "node": node, "tau": tau, "train_loss": loss}
    particles = ("count", "share", "energy", "moved", "weight", "standard_error", "phi")
    return known | dict.fromkeys((*particles, "validation_loss", "restarted"))


def architecture_rows(
    parent: Network,
    children: Sequence[Child],
    changes: Sequence[tuple[float, float]],
    history: Sequence[Step],
    winner: int,
    deaths: Deaths,
    judged: Mapping[int, tuple[float, float]] | None = None,
) -> list[Row]:
    """A row a node as the round ended; shares and losses are null where no step was made.

    `changes` are those of the output in eval and in train mode, a child each. `judged`: (loss,
    accuracy) by node on the whole validation split, where a round has them: the baselines'."""
    rows = []
    last = history[-1] if history else None
    scores = {node: score for node, score in (judged or {}).items() if np.isfinite(score[0])}
    for node, (network, morphisms, sites) in enumerate([Child(parent, (), ()), *children]):
        g = network.architecture
        rows.append(
            {
                "node": node,
                "parent": parent.architecture.fingerprint,
                "morphism": "+".join(morphisms),
                "site": "+".join(",".join(map(str, site)) for site in sites),
                "fingerprint": g.fingerprint,
                "parameters": g.parameters,
                "flops": g.flops,
                "output_change": changes[node - 1][0] if node else 0.0,
                "train_change": changes[node - 1][1] if node else 0.0,
                "count": int(last.info.counts[node]) if last else None,
                "share": float(last.info.counts[node] / last.info.counts.sum()) if last else None,
                "validation_loss": float(last.V[node]) if last else scores.get(node, (None,))[0],
                "validation_accuracy": scores[node][1] if node in scores else None,
                "winner": node == winner,
            }
            | deaths.row(node)
        )
    return rows
