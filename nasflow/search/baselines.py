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
from typing import Any

import numpy as np

from nasflow.network.network import Network
from nasflow.randomness import generator
from nasflow.search import ageing
from nasflow.search.children import output_changes, propose, starts
from nasflow.search.dropouts import Deaths
from nasflow.search.history import architecture_rows
from nasflow.search.neighbourhood import Child
from nasflow.search.round import Progress, Round, Setting
from nasflow.search.rung import Rung, Score, ranked, score_of, train_rung
from nasflow.training.snapshot import FORGETFUL, Keeper


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
    rung = train_rung(networks, k, 0, _steps(setting, 1), setting, progress, keeper, until=until)
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
        entrants = (
            {node: networks[node] for node in ranked(done[-1].scores)[:size]} if done else networks
        )
        before = sum(rung.steps for rung in done)
        own = FORGETFUL if done else keeper
        rung = train_rung(entrants, k + before, before, length, setting, progress, own, until=until)
        done.append(rung)
        networks = rung.networks
        if rung.late or len(rung.died) == len(networks):
            break
    return _round(parent, k, setting, children, done, ranked(done[-1].scores)[0])


ROUNDS = {"nash": nash, "nasgraph": nasgraph, "random": random, "halving": halving}


def drawn(children: int, seed: int, number: int) -> int:
    """Index of the child that `random` takes in a round: uniform, and blind to all losses."""
    return int(generator("random child", seed, number).integers(children))


def steps_wanted(search: Mapping[str, Any], epoch: int) -> int:
    """Steps of a network in a round that no budget cuts; `epoch` of them see every image once."""
    return max(1, round(float(search["epochs_neigh"]) * epoch))


def rungs(networks: int, eta: int) -> list[int]:
    """How many networks train in each rung, until one is left: 8, 4, 2."""
    sizes = []
    while networks > 1:
        sizes.append(networks)
        networks = max(1, networks // eta)
    return sizes


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
    rung = train_rung(networks, k, 0, steps, setting, progress, keeper, until=until, gains=gains)
    return _round(parent, k, setting, children, [rung], ranked(rung.scores)[0])


def _children(parent: Network, k: int, setting: Setting) -> list[Child]:
    options = setting.search | {"n_neigh": setting.search["n_neigh"] - 1}
    return propose(parent, k, setting._replace(search=options))


def _end(setting: Setting) -> float:
    return time.monotonic() + setting.limits.seconds


def _steps(setting: Setting, networks: int) -> int:
    """Steps of each of so many networks: epochs_neigh, or what the budget leaves."""
    wanted = steps_wanted(setting.search, len(setting.train) // setting.search["batch_size"])
    left = min(setting.limits.steps, setting.limits.network_steps / networks)
    return max(1, int(min(wanted, left)))


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
        scores[0] = score_of(parent, setting)
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
    score = score_of(parent, setting)
    rows = architecture_rows(parent, [], [], [], 0, Deaths(1), {0: score})
    return Round(parent, 0, "exhausted", 0, 0, k, [], rows, *score)
