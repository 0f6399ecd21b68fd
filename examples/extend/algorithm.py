"""An algorithm of your own: all children train side by side, and the lowest loss goes on."""

from typing import Any

import numpy as np

import nasflow
from nasflow.search.children import output_changes, propose, starts
from nasflow.search.dropouts import Deaths
from nasflow.search.history import Row, architecture_rows, training_row
from nasflow.search.round import Progress, Round, Setting
from nasflow.training import optim
from nasflow.training.batches import Batches
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import FORGETFUL, Keeper, Snapshot


# [round]
def greedy(
    parent: nasflow.Network,
    k: int,
    setting: Setting,
    progress: Progress,
    keeper: Keeper = FORGETFUL,
) -> Round:
    """Do one round from step k of the search: parent and children take max_steps steps each."""
    search = setting.search
    children = propose(parent, k, setting)
    networks = starts(parent, children, setting)
    train = Batches(setting.train, search["batch_size"], "train", (setting.seed,))
    keys = ("friction", "momentum", "weight_decay")
    step = optim.make(search["optimizer"], **{key: search[key] for key in keys})
    steps, first = int(min(search["max_steps"], setting.limits.steps)), 0
    rows: list[Row] = []
    with Siblings(networks, step, ranks=setting.ranks, workers=setting.workers) as live:
        if kept := keeper.before(live.fingerprints, steps):  # go on after a crash
            live.restore(kept.siblings, kept.step)
            first, rows = kept.step, kept.facts["rows"]

        def snapshot() -> Snapshot:
            states = [live.state(i) for i in range(len(live))]
            return Snapshot(j, {"rows": rows}, {}, states)

        for j in range(first + 1, steps + 1):
            tau = cosine(j - 1, steps, search["lambda_start"], search["lambda_final"])
            losses, _ = live.step([train(k + j - 1)], None, tau)
            for node, loss in enumerate(losses):
                rows.append(training_row(j, k + j - 1, node, tau, float(loss)))
            progress(j, steps, f"loss {losses.min():.3f}")
            if j < steps:
                keeper.keep(j, snapshot)
        scores = dict(enumerate(live.evaluate(setting.validation)))
        winner = min(scores, key=lambda node: scores[node])
        network = live.network(winner)
    changes = output_changes(parent, children, setting.validation.chunk(0, 64)[0])
    deaths = Deaths(len(networks))
    nodes = architecture_rows(parent, children, changes, [], winner, deaths, scores)
    reason, trained = "recentred" if winner else "kept", steps * len(networks)
    return Round(network, winner, reason, steps, trained, k + steps, rows, nodes, *scores[winner])


# [end of round]


def run(**options: Any) -> nasflow.Found:
    """Run a short search on digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    sections = {"pretrain": {"epochs": 2.0}, "budget": {"rounds": 2}, "final": {"epochs": 1.0}}
    search = {"n_neigh": 4, "max_steps": 40}
    # [search]
    found = nasflow.run_search(images, digits.target, algorithm=greedy, search=search, **sections)
    # [end of search]
    return found


if __name__ == "__main__":
    for status in run().lineage:
        print(status["reason"], status["morphism"], f"{status['validation_accuracy']:.1%}")
