"""The race: successive halving over the networks of the portfolio, without any morphism.

It shows what the start of a search is worth by itself. Every rung takes the same seconds (or steps,
where the budget has no seconds), within a rung all networks get alike what `search.equal` says, and
the better half by validation loss goes on. The search ends behind it.
"""

from __future__ import annotations

import time

import numpy as np

from nasflow.network.network import Network
from nasflow.search.baselines import gathered, rungs
from nasflow.search.bounds import refuse
from nasflow.search.children import portfolio, within_bounds
from nasflow.search.round import Round, Setting
from nasflow.search.rung import Rung, Stretch, train_rung
from nasflow.training.loop import Progress
from nasflow.training.process import one_thread
from nasflow.training.snapshot import FORGETFUL, Keeper

HALF = 2


def race(
    parent: Network, k: int, setting: Setting, progress: Progress, keeper: Keeper = FORGETFUL
) -> Round:
    """Run the race in the place of the first round.

    It takes the part of the budget that the round of a portfolio takes (`base.portfolio_part`). The
    arguments are those of `particle_round.run_round`.

    Raises:
        ValueError: if the portfolio has fewer than two networks within the bounds of the board, or
            its first network is above one.
    """
    first = "the first network of base.portfolio"
    refuse(parent.architecture, setting.search, first, setting.latency)
    given = ", ".join(setting.portfolio) or "empty"
    setting = within_bounds(parent, setting)
    if len(setting.portfolio) < 2:
        kept = " that keep the bounds in search.constraints" if "," in given else ""
        raise ValueError(f"base.portfolio: {given}; race expects two networks or more{kept}")
    began, limits = time.monotonic(), setting.limits
    with one_thread():
        children = portfolio(parent, setting)
        networks = dict(enumerate([parent, *(child.network for child in children)]))
        sizes, done, k_now = rungs(len(networks), HALF), list[Rung](), k
        most = min(limits.steps, limits.network_steps / len(networks), setting.search.max_steps)
        for number, size in enumerate(sizes, 1):
            networks = {node: networks[node] for node in _best(done, list(networks))[:size]}
            until = began + limits.seconds * setting.part * number / len(sizes)
            steps = max(1, round(most * setting.part / len(sizes)))
            before = sum(rung.steps for rung in done)
            stretch = Stretch(k_now, before, steps, until, even=setting.search.equal)
            own = FORGETFUL if done else keeper
            done.append(train_rung(networks, stretch, setting, progress, own))
            networks, k_now = done[-1].networks, k_now + done[-1].steps
            if len(done[-1].dropped) == len(networks):
                break
        return gathered(parent, k, setting, children, done, _best(done, list(networks))[0])


def _best(done: list[Rung], nodes: list[int]) -> list[int]:
    """Sort nodes by the validation loss of the last rung, the best first."""
    if not done:
        return nodes
    scores = done[-1].scores
    return sorted(nodes, key=lambda n: (not np.isfinite(scores[n].loss), scores[n].loss))
