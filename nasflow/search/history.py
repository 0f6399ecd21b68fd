"""What a round leaves behind: the records of its steps, and the rows of its two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasflow.network.network import Network
from nasflow.particles.flow import Vector
from nasflow.particles.particles import Info
from nasflow.search.dropouts import Dropouts
from nasflow.search.neighbourhood import Child
from nasflow.search.round import Row
from nasflow.training.siblings import Score
from nasflow.training.snapshot import Arrays, flat, group


class Record(NamedTuple):
    """What is recorded about one step of a round with m siblings.

    Attributes:
        k: the global step.
        tau: the step size.
        losses: validation losses of this step, nats (m,).
        V: their running averages, nats (m,).
        price: what the parameters of each network cost against those of the centre, nats (m,).
        kinetic: |v|^2 / 2 of each network where the configuration adds it, else 0; (m,).
        trend: what the forecast of a portfolio adds to the loss of each network, nats (m,); else 0.
        standard_error: the standard errors of V_i - V_0, nats (m,).
        train_loss: training losses of this step, nats (m,).
        info: what the particles did.
    """

    k: int
    tau: float
    losses: Vector
    V: Vector
    price: Vector
    kinetic: Vector
    trend: Vector
    standard_error: Vector
    train_loss: Vector
    info: Info


def pack(history: Sequence[Record]) -> dict[str, np.ndarray]:
    """Turn records into arrays (steps,) and (steps, m), without any loss."""
    plain = [name for name in Record._fields if name != "info"]
    columns = {name: np.array([getattr(r, name) for r in history]) for name in plain}
    info = {name: np.array([getattr(r.info, name) for r in history]) for name in Info._fields}
    return flat(step=columns, info=info)


def unpack(arrays: Arrays) -> list[Record]:
    """Turn the arrays of `pack` back into records."""
    columns, info = group(arrays, "step"), group(arrays, "info")

    def values(parts: Arrays, names: Sequence[str], i: int) -> list[object]:
        return [parts[n][i] if parts[n].ndim > 1 else parts[n][i].item() for n in names]

    plain = [name for name in Record._fields if name != "info"]
    return [
        Record._make([*values(columns, plain, i), Info._make(values(info, Info._fields, i))])
        for i in range(len(columns["k"]))
    ]


def particle_rows(history: Sequence[Record]) -> list[Row]:
    """Return the rows of particles.parquet, one for each step and node.

    A row describes the instant at which the particles decide whether to move. In it
    `energy` is weight * U'(share) + validation_loss + price + kinetic + trend. `moved`,
    `count_after` and `restarted` tell what the step did.
    """
    return [
        {
            "step": number,
            "k": r.k,
            "node": node,
            "count": int(r.info.counts[node]),
            "share": float(r.info.share[node]),
            "validation_loss": float(r.V[node]),
            "train_loss": float(r.train_loss[node]),
            "price": float(r.price[node]),
            "kinetic": float(r.kinetic[node]),
            "trend": float(r.trend[node]),
            "energy": float(r.info.energy[node]),
            "tau": r.tau,
            "moved": int(r.info.moved[node]),
            "count_after": int(r.info.after[node]),
            "weight": r.info.weight,
            "standard_error": float(r.standard_error[node]),
            "phi": float(r.info.phi[node]),
            "restarted": r.info.restarted,
        }
        for number, r in enumerate(history, 1)
        for node in range(len(r.V))
    ]


def training_row(number: int, k: int, node: int, tau: float, loss: float) -> Row:
    """Return a row of particles.parquet for a baseline, which has no particles.

    The columns about particles are null. So is the validation loss, except in the steps after which
    the networks are evaluated.

    Args:
        number: the step of the round, from 1.
        k: the global step.
        node: the sibling.
        tau: the step size.
        loss: the training loss, nats.
    """
    known: Row = {"step": number, "k": k, "node": node, "tau": tau, "train_loss": loss}
    energy = ("count", "share", "price", "kinetic", "trend", "energy", "weight", "standard_error")
    moves = ("phi", "moved", "count_after", "restarted")
    return known | dict.fromkeys((*energy, *moves, "validation_loss"))


def architecture_rows(
    parent: Network,
    children: Sequence[Child],
    changes: Sequence[tuple[float, float]],
    history: Sequence[Record],
    winner: int,
    dropouts: Dropouts,
    scores: Mapping[int, Score] | None = None,
) -> list[Row]:
    """Return the rows of architectures.parquet, one for each node as the round ended.

    Args:
        parent: the centre of the round, node 0.
        children: the other nodes.
        changes: for each child the change of its output, in evaluation mode and in training mode.
        history: the records of all steps; empty where none was made, as in every baseline. Shares
            and counts are null then.
        winner: the node that goes on.
        dropouts: the siblings that are out.
        scores: the evaluations on the whole validation split, by node, which baselines have.
    """
    known = {node: score for node, score in (scores or {}).items() if np.isfinite(score[0])}
    last = history[-1] if history else None
    return [
        _sizes(parent, child, node)
        | {
            "output_change": changes[node - 1][0] if node else 0.0,
            "train_change": changes[node - 1][1] if node else 0.0,
        }
        | _end(node, last, known)
        | _left(node, history, dropouts)
        | {"winner": node == winner}
        | dropouts.row(node)
        for node, child in enumerate([Child(parent, (), ()), *children])
    ]


def _sizes(parent: Network, child: Child, node: int) -> Row:
    g = child.network.architecture
    return {
        "node": node,
        "parent": parent.architecture.fingerprint,
        "morphism": "+".join(child.morphisms),
        "site": "+".join(",".join(map(str, site)) for site in child.sites),
        "fingerprint": g.fingerprint,
        "parameters": g.parameters,
        "flops": g.flops,
    }


def _left(node: int, history: Sequence[Record], dropouts: Dropouts) -> Row:
    """Return the loss with which a child was left behind, in the place of a filled-in one."""
    row = dropouts.row(node)
    if row["died_of"] != "behind":
        return {}
    return {"validation_loss": float(history[dropouts.at[node] - 1].V[node])}


def _end(node: int, last: Record | None, scores: Mapping[int, Score]) -> Row:
    """Return how many particles a node held after the last step, and how good its network was."""
    accuracy = scores[node][1] if node in scores else None
    if last is None:
        loss = scores[node][0] if node in scores else None
        return {
            "count": None,
            "share": None,
            "validation_loss": loss,
            "validation_accuracy": accuracy,
        }
    after = last.info.after
    return {
        "count": int(after[node]),
        "share": float(after[node] / after.sum()),
        "validation_loss": float(last.V[node]),
        "validation_accuracy": accuracy,
    }
