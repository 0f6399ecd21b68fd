"""Networks that train side by side on the same batches and are judged on the whole validation
split: a round of NASH, or a rung of successive halving. Knows no files."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasflow.network.network import Network, at_rest
from nasflow.search.dropouts import CAUSES, Deaths
from nasflow.search.history import Row, training_row
from nasflow.search.round import Progress, Setting
from nasflow.training import optim
from nasflow.training.batches import Batches
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import Keeper, Snapshot

Score = tuple[float, float]  # nats, share


class Rung(NamedTuple):
    """Networks by node after a stretch of training, what the validation split says of them, the
    rows and the number of steps, whether the clock ended it, and who diverged when."""

    networks: dict[int, Network]
    scores: dict[int, Score]
    rows: list[Row]
    steps: int
    late: bool
    died: dict[int, tuple[int, str]]


def ranked(scores: Mapping[int, Score]) -> list[int]:
    """Nodes from the most accurate on; equal ones by their loss. A diverged network comes last."""

    def order(node: int) -> tuple[bool, float, float]:
        loss, accuracy = scores[node]
        return not np.isfinite(loss), -accuracy, loss

    return sorted(sorted(scores), key=order)


def train_rung(
    networks: Mapping[int, Network],
    k: int,
    before: int,
    steps: int,
    setting: Setting,
    progress: Progress,
    keeper: Keeper,
    *,
    until: float,
    gains: Sequence[Mapping[str, float]] = (),
) -> Rung:
    """Networks side by side on the same batches from global step k, tau by one cosine over `steps`;
    `before` counts the steps of the round so far, `until` is the end of the time for it.
    One that diverges trains no more and its score is NaN."""
    search, nodes = setting.search, list(networks)
    rows: list[Row] = []
    keys = ("friction", "momentum", "weight_decay")
    step = optim.make(search["optimizer"], **{key: search[key] for key in keys})
    batches = Batches(
        setting.train, search["batch_size"], "train", (setting.seed,), **setting.augment
    )
    late, j = False, 0
    deaths = Deaths(len(nodes))
    with Siblings(
        [at_rest(network) for network in networks.values()],
        step,
        ranks=setting.ranks,
        workers=setting.workers,
        precision=search["precision"],
        gains=gains,
        spare=search["on_oom"] == "drop",
    ) as live:
        if kept := keeper.before(live.fingerprints, steps):
            live.restore(kept.siblings, kept.step)
            j, rows = kept.step, kept.facts["rows"]
            deaths.restore(kept.arrays)
            live.rest(deaths.dead)

        def snapshot() -> Snapshot:
            states = [live.state(i) for i in range(len(nodes))]
            return Snapshot(j, {"rows": rows}, deaths.state(), states)

        while j < steps and not late and not deaths.dead.all():
            tau = cosine(j, steps, search["lambda_start"], search["lambda_final"])
            losses, _ = live.step([batches(k + j)], None, tau)
            j += 1
            deaths.note(before + j, "memory", live.starved)
            deaths.note(before + j, "training loss", ~np.isfinite(losses))
            live.rest(deaths.dead)
            for node, loss in zip(nodes, losses, strict=True):
                rows.append(training_row(before + j, k + j - 1, node, tau, float(loss)))
            alive = losses.min(initial=np.inf, where=~deaths.dead)
            progress(before + j, before + steps, f"{len(nodes)} networks, loss {alive:.3f}")
            late = bool(setting.ranks.agree(time.monotonic() >= until)[0])
            if j < steps and not late:
                keeper.keep(j, snapshot)
        judged = live.evaluate(setting.validation)
        found = np.array([loss for loss, _ in judged])
        deaths.note(before + j, "validation loss", ~np.isfinite(found))
        deaths.note(before + j, "weights", ~live.finite())
        trained = {node: live.network(i) for i, node in enumerate(nodes)}
    gone = (float("nan"), 0.0)
    scores = {n: gone if deaths.at[i] else judged[i] for i, n in enumerate(nodes)}
    died = {
        n: (int(deaths.at[i]), CAUSES[deaths.of[i]]) for i, n in enumerate(nodes) if deaths.at[i]
    }
    for row in rows[-len(nodes) :]:
        row["validation_loss"] = scores[row["node"]][0]
    return Rung(trained, scores, rows, j, late, died)


def score_of(network: Network, setting: Setting) -> Score:
    precision = setting.search["precision"]
    with Siblings([network], lambda *_: None, ranks=setting.ranks, precision=precision) as live:
        return live.evaluate(setting.validation)[0]
