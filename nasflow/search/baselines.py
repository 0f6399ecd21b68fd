"""One round of the searches that NASGD is compared with: NASH, NASGraph, a random walk, halving.

They use the same children, batches and network code as NASGD. All networks of a round start at rest
and train by one cosine of the round's length, which restarts in each round (with halving in each
rung); NASGD's cosine goes on over all rounds. They are evaluated on the whole validation split, at
their last weights, and compared by accuracy and, where that is equal, by loss (the sources leave
ties open). A round that the epochs of the budget cut short has a shorter cosine; one that the
seconds of the budget end is evaluated as it stands.

In their settings, `search` holds the keys of the section `baselines` in the place of its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from nasflow.config.search import Search
from nasflow.network.network import Network
from nasflow.randomness import generator
from nasflow.search import ageing
from nasflow.search.budget import epoch_steps
from nasflow.search.children import output_changes, propose, starts
from nasflow.search.dropouts import Dropouts
from nasflow.search.ends import RoundEnd
from nasflow.search.history import architecture_rows
from nasflow.search.neighbourhood import Child
from nasflow.search.round import Round, Setting
from nasflow.search.rung import Rung, Stretch, ranked, score_of, train_rung
from nasflow.training.loop import Progress
from nasflow.training.process import one_thread
from nasflow.training.siblings import Score
from nasflow.training.snapshot import FORGETFUL, Keeper


def nash(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Run one round of hill climbing (Elsken et al. 2017).

    n_neigh - 1 children and the parent train epochs_neigh epochs each; the most accurate goes on.
    The arguments are those of `particle_round.run_round`."""
    return _climb(parent, k, setting, progress, keeper, aged=False)


def nasgraph(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Run one round of NASH with gradient ageing (module `ageing`).

    The formula of the ageing is our reading of an unpublished one. NASGraph's other novelty, that
    the head is morphed linearly when the map that enters it changes, is how every algorithm here
    makes children (`rewrite`, `pools._refit`)."""
    return _climb(parent, k, setting, progress, keeper, aged=True)


def random(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Run one round of a random walk.

    One of NASH's children, drawn uniformly, trains as long as NASH's would and goes on. The others
    are not trained, so that a round costs 1 / n_neigh of one of NASH's."""
    until = _end(setting)
    with one_thread():
        children = _children(parent, k, setting)
        if not children:
            return _exhausted(parent, k, setting)
        children = [children[drawn(len(children), setting.seed, setting.number)]]
        networks = {1: starts(parent, children, setting)[1]}
        stretch = Stretch(k, 0, _steps(setting, 1), until)
        rung = train_rung(networks, stretch, setting, progress, keeper)
        return gathered(parent, k, setting, children, [rung], 1)


def halving(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Run one round of successive halving (Jamieson & Talwalkar 2016), at the price of NASH's.

    It has the networks of NASH. Every rung costs the same, so that networks that go on train eta
    times as long as before. Each rung is a cycle of its own (SGDR with T_mult = eta), so that
    networks are evaluated where tau is low. State is kept in the first rung only; a crash in a
    later one costs the round."""
    until = _end(setting)
    with one_thread():
        children = _children(parent, k, setting)
        if not children:
            return _exhausted(parent, k, setting)
        networks = dict(enumerate(starts(parent, children, setting)))
        done: list[Rung] = []
        for size, length in _schedule(len(networks), setting):
            if done:
                networks = {node: networks[node] for node in ranked(done[-1].scores)[:size]}
            before = sum(rung.steps for rung in done)
            stretch = Stretch(k + before, before, length, until)
            own = FORGETFUL if done else keeper
            done.append(train_rung(networks, stretch, setting, progress, own))
            networks = done[-1].networks
            if done[-1].late or len(done[-1].dropped) == len(networks):
                break
        return gathered(parent, k, setting, children, done, ranked(done[-1].scores)[0])


def most_flops(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Take the child with the most FLOPs, untrained: a round that costs nothing.

    Where it does as well as a search, the search has found out no more than that larger is better.
    """
    with one_thread():
        children = propose(parent, k, setting)
        if not children:
            return _exhausted(parent, k, setting)
        largest = max(children, key=lambda child: child.network.architecture.flops)
        networks = {1: largest.network}
        scores = {1: score_of(largest.network, setting)}
        rung = Rung(networks, scores, [], 0, 0, False, {})
        return gathered(parent, k, setting, [largest], [rung], 1)


def drawn(children: int, seed: int, number: int) -> int:
    """Return the index of the child that `random` takes: uniform, and blind to all losses.

    Args:
        children: how many there are.
        seed: the seed of the search.
        number: the number of the round.
    """
    return int(generator("random child", seed, number).integers(children))


def steps_wanted(search: Search, epoch: int) -> int:
    """Return the steps of each network in a round that no budget cuts short.

    Args:
        search: the section of the round.
        epoch: steps in which every training image is seen once.
    """
    return max(1, round(search.epochs_neigh * epoch))


def rungs(networks: int, eta: int) -> list[int]:
    """List how many networks train in each rung, until one is left: 8, 4, 2.

    Args:
        networks: how many train in the first rung.
        eta: one in eta networks goes on to the next rung.
    """
    sizes = []
    while networks > 1:
        sizes.append(networks)
        networks = max(1, networks // eta)
    return sizes


def _schedule(networks: int, setting: Setting) -> list[tuple[int, int]]:
    """Return the number of networks and the number of steps of each rung."""
    sizes = rungs(networks, setting.baselines.eta)
    price = _steps(setting, networks) * networks / len(sizes)  # of a rung, in network steps
    lengths = [max(1, round(price / size)) for size in sizes]
    # The last network makes the steps of all rungs, which are those of the round.
    excess = sum(lengths) / max(1.0, setting.limits.steps)
    if excess > 1.0:
        lengths = [max(1, int(length / excess)) for length in lengths]
    return list(zip(sizes, lengths, strict=True))


def _climb(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper, *, aged: bool
) -> Round:
    until = _end(setting)
    with one_thread():
        children = _children(parent, k, setting)
        if not children:
            return _exhausted(parent, k, setting)
        networks = dict(enumerate(starts(parent, children, setting)))
        g, s = parent.architecture, setting.baselines.ageing
        gains = [ageing.gains(g, n.architecture, s) for n in networks.values()] if aged else []
        stretch = Stretch(k, 0, _steps(setting, len(networks)), until)
        rung = train_rung(networks, stretch, setting, progress, keeper, gains=gains)
        return gathered(parent, k, setting, children, [rung], ranked(rung.scores)[0])


def _children(parent: Network, k: int, setting: Setting) -> list[Child]:
    fewer = setting.search.model_copy(update={"n_neigh": setting.search.n_neigh - 1})
    return propose(parent, k, setting._replace(search=fewer))


def _end(setting: Setting) -> float:
    return time.monotonic() + setting.limits.seconds


def _steps(setting: Setting, networks: int) -> int:
    """Return the steps of each network: epochs_neigh epochs, or what the budget leaves."""
    wanted = steps_wanted(setting.search, epoch_steps(setting.search, len(setting.train)))
    left = min(setting.limits.steps, setting.limits.network_steps / networks)
    return max(1, int(min(wanted, left)))


def gathered(
    parent: Network,
    k: int,
    setting: Setting,
    children: list[Child],
    done: Sequence[Rung],
    winner: int,
) -> Round:
    """Put the records of a round together.

    Args:
        parent: the centre of the round.
        k: the global step at which it began.
        setting: everything else that made it.
        children: its children.
        done: its rungs.
        winner: the node that goes on.

    Returns:
        The round. A network that did not go on keeps the score of its last rung. Where all
        networks of the last rung diverged, the parent goes on as it came.
    """
    scores: dict[int, Score] = {}
    dropouts = Dropouts(1 + len(children))
    for rung in done:
        scores |= rung.scores
        for node, (step, cause) in rung.dropped.items():
            dropouts.note(step, cause, np.arange(1 + len(children)) == node)
    network = done[-1].networks[winner]
    reason = RoundEnd.RECENTRED if winner else RoundEnd.KEPT
    if winner in done[-1].dropped:
        network, winner, reason = parent, 0, RoundEnd.DIVERGED
        scores[0] = score_of(parent, setting)
    changes = output_changes(parent, children, setting.validation.chunk(0, 64)[0])
    steps = sum(rung.steps for rung in done)
    return Round(
        network,
        winner,
        reason,
        steps,
        sum(rung.network_steps for rung in done),
        k + steps,
        [row for rung in done for row in rung.rows],
        architecture_rows(parent, children, changes, [], winner, dropouts, scores),
        *scores[winner],
    )


def _exhausted(parent: Network, k: int, setting: Setting) -> Round:
    """Return a round in which no child is possible: the parent stays, untrained."""
    score = score_of(parent, setting)
    rows = architecture_rows(parent, [], [], [], 0, Dropouts(1), {0: score})
    return Round(parent, 0, RoundEnd.EXHAUSTED, 0, 0, k, [], rows, *score)
