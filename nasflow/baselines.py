"""One round of the searches that NASGD is compared with, on the same children, batches and network
code: NASH, NASGraph, a random walk and successive halving. Knows no files.

All networks of a round start at rest and train by one cosine of the round's length (restarted each
round, where NASGD's clock goes on; with halving each rung). They are judged on the whole validation
split at their last weights, by accuracy and, where that is equal, by loss (the sources leave ties
open). A round that the budget's epochs cut short has a shorter cosine; one that its seconds end is
judged as it stands.

`setting.search` holds the keys of config.Search with those of config.Baselines over them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from nasflow import ageing, optim
from nasflow.batches import Batches
from nasflow.children import output_changes, propose, starts
from nasflow.deaths import CAUSES, Deaths
from nasflow.history import Row, architecture_rows, training_row
from nasflow.neighbourhood import Child
from nasflow.network import Network
from nasflow.randomness import generator
from nasflow.schedule import cosine
from nasflow.setting import Progress, Round, Setting
from nasflow.siblings import Siblings
from nasflow.storage.snapshot import FORGETFUL, Keeper, Snapshot

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


def nash(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Hill climbing (Elsken et al. 2017): n_neigh - 1 children and the parent train epochs_neigh
    epochs each; the most accurate goes on."""
    return _climb(parent, k, setting, progress, keeper, aged=False)


def nasgraph(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """NASH with gradient ageing (module `ageing`: our reading of an unpublished formula).

    Its other novelty, that the head is morphed linearly when the map that enters it changes, is how
    every algorithm here makes children (`rewrite`, `morphisms._refit`)."""
    return _climb(parent, k, setting, progress, keeper, aged=True)


def random(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """One of NASH's children, drawn uniformly, trains as long as NASH's would and goes on. The
    others are not trained: a round costs 1 / n_neigh of NASH's."""
    until = _end(setting)
    children = _children(parent, k, setting)
    if not children:
        return _exhausted(parent, k, setting)
    children = [children[drawn(len(children), setting.seed, setting.number)]]
    networks = {1: starts(parent, children, setting)[1]}
    rung = _train(networks, k, 0, _steps(setting, 1), setting, progress, keeper, until=until)
    return _round(parent, k, setting, children, [rung], 1)


def halving(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Successive halving (Jamieson & Talwalkar 2016) over NASH's networks and at NASH's price.

    Every rung costs the same, so that those who go on train eta times as long as before. Each is a
    cycle of its own (SGDR with T_mult = eta), that networks be judged where tau is low. State is
    kept in the first rung only; a crash in a later one costs the round."""
    until = _end(setting)
    children = _children(parent, k, setting)
    if not children:
        return _exhausted(parent, k, setting)
    networks = dict(enumerate(starts(parent, children, setting)))
    sizes = rungs(len(networks), setting.search["eta"])
    price = _steps(setting, len(networks)) * len(networks) / len(sizes)  # of a rung, network steps
    lengths = [max(1, round(price / size)) for size in sizes]
    excess = sum(lengths) / max(1.0, setting.limits.steps)  # a survivor's steps are the round's
    if excess > 1.0:
        lengths = [max(1, int(length / excess)) for length in lengths]
    done: list[Rung] = []
    for size, length in zip(sizes, lengths, strict=True):
        entrants = {node: networks[node] for node in _best(done, size)} if done else networks
        before = sum(rung.steps for rung in done)
        own = FORGETFUL if done else keeper
        rung = _train(entrants, k + before, before, length, setting, progress, own, until=until)
        done.append(rung)
        networks = rung.networks
        if rung.late or len(rung.died) == len(networks):
            break
    return _round(parent, k, setting, children, done, _best(done, 1)[0])


ROUNDS = {"nash": nash, "nasgraph": nasgraph, "random": random, "halving": halving}


def drawn(children: int, seed: int, number: int) -> int:
    """Index of the child that `random` takes in a round: uniform, and blind to all losses."""
    return int(generator("random child", seed, number).integers(children))


def rungs(networks: int, eta: int) -> list[int]:
    """How many networks train in each rung, until one is left: 8, 4, 2."""
    sizes = []
    while networks > 1:
        sizes.append(networks)
        networks = max(1, networks // eta)
    return sizes


def ranked(scores: Mapping[int, Score]) -> list[int]:
    """Nodes from the most accurate on; equal ones by their loss. A diverged network comes last."""

    def order(node: int) -> tuple[bool, float, float]:
        loss, accuracy = scores[node]
        return not np.isfinite(loss), -accuracy, loss

    return sorted(sorted(scores), key=order)


def _climb(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper, *, aged: bool
) -> Round:
    until = _end(setting)
    children = _children(parent, k, setting)
    if not children:
        return _exhausted(parent, k, setting)
    networks = dict(enumerate(starts(parent, children, setting)))
    g, s = parent.architecture, setting.search["ageing"]
    gains = [ageing.gains(g, n.architecture, s) for n in networks.values()] if aged else []
    steps = _steps(setting, len(networks))
    rung = _train(networks, k, 0, steps, setting, progress, keeper, until=until, gains=gains)
    return _round(parent, k, setting, children, [rung], _best([rung], 1)[0])


def _children(parent: Network, k: int, setting: Setting) -> list[Child]:
    options = setting.search | {"n_neigh": setting.search["n_neigh"] - 1}
    return propose(parent, k, setting._replace(search=options))


def _end(setting: Setting) -> float:
    return time.monotonic() + setting.limits.seconds


def _steps(setting: Setting, networks: int) -> int:
    """Steps of each of so many networks: epochs_neigh, or what the budget leaves."""
    epoch = len(setting.train) // setting.search["batch_size"]
    wanted = round(setting.search["epochs_neigh"] * epoch)
    left = min(setting.limits.steps, setting.limits.network_steps / networks)
    return max(1, int(min(wanted, left)))


def _train(
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
    at_rest = [_at_rest(network) for network in networks.values()]
    deaths = Deaths(len(nodes))
    workers, ranks = setting.workers, setting.ranks
    precision = search["precision"]
    with Siblings(
        at_rest,
        step,
        ranks=ranks,
        workers=workers,
        precision=precision,
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
            late = bool(ranks.agree(time.monotonic() >= until)[0])
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


def _best(done: Sequence[Rung], count: int) -> list[int]:
    """The nodes that lead the last rung."""
    return ranked(done[-1].scores)[:count]


def _round(
    parent: Network,
    k: int,
    setting: Setting,
    children: list[Child],
    done: Sequence[Rung],
    winner: int,
) -> Round:
    """Records: a network that dropped out is judged as it was then. Where all of the last ones
    diverged, the parent goes on as it came."""
    scores: dict[int, Score] = {}
    deaths = Deaths(1 + len(children))
    for rung in done:
        scores |= rung.scores
        for node, (step, cause) in rung.died.items():
            deaths.note(step, cause, np.arange(1 + len(children)) == node)
    network, reason = done[-1].networks[winner], "recentred" if winner else "kept"
    if winner in done[-1].died:
        network, winner, reason = parent, 0, "diverged"
        scores[0] = _score(parent, setting)
    changes = output_changes(parent, children, setting.validation.chunk(0, 64)[0])
    steps = sum(rung.steps for rung in done)
    loss, accuracy = scores[winner]
    return Round(
        network,
        winner,
        reason,
        steps,
        sum(rung.steps * len(rung.networks) for rung in done),
        k + steps,
        [row for rung in done for row in rung.rows],
        architecture_rows(parent, children, changes, [], winner, deaths, scores),
        loss,
        accuracy,
    )


def _exhausted(parent: Network, k: int, setting: Setting) -> Round:
    """No child is legal: the parent stays, untrained."""
    score = _score(parent, setting)
    rows = architecture_rows(parent, [], [], [], 0, Deaths(1), {0: score})
    return Round(parent, 0, "exhausted", 0, 0, k, [], rows, *score)


def _score(network: Network, setting: Setting) -> Score:
    precision = setting.search["precision"]
    with Siblings([network], lambda *_: None, ranks=setting.ranks, precision=precision) as live:
        return live.evaluate(setting.validation)[0]


def _at_rest(network: Network) -> Network:
    return network._replace(v={name: torch.zeros_like(t) for name, t in network.v.items()})
