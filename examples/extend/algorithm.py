"""An algorithm of your own: all children train side by side, and the lowest loss goes on."""

import numpy as np

import nasflow
from nasflow.search.children import output_changes, propose, starts
from nasflow.search.dropouts import Dropouts
from nasflow.search.history import architecture_rows, training_row
from nasflow.search.round import Round, RoundEnd, Row, Setting
from nasflow.training import optim
from nasflow.training.batches import Batches
from nasflow.training.loop import Progress, Step, training_loop
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import FORGETFUL, Keeper, Memory


# [round]
class GreedyCourse:
    """What a round records. The loop keeps it beside the networks, for a crash."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def record(self, step: Step) -> None:
        """Add one row for each sibling."""
        for node, loss in enumerate(step.train_loss):
            self.rows.append(training_row(step.number, step.k, node, step.tau, float(loss)))

    def remember(self) -> Memory:
        """Return the records so far."""
        return Memory({"rows": self.rows}, {})

    def recall(self, memory: Memory) -> None:
        """Go on from what `remember` returned."""
        self.rows = memory.facts["rows"]


def greedy(
    parent: nasflow.Network,
    k: int,
    setting: Setting,
    progress: Progress,
    keeper: Keeper = FORGETFUL,
) -> Round:
    """Do one round from step k of the search: parent and children take max_steps steps each."""
    search, course = setting.search, GreedyCourse()
    children = propose(parent, k, setting)
    networks = starts(parent, children, setting)
    batches = Batches(setting.train, search.batch_size, "train", (setting.seed,))
    steps = int(min(search.max_steps, setting.limits.steps))

    def tau(done: int) -> float:
        return cosine(done, steps, search.lambda_start, search.lambda_final)

    with Siblings(
        networks, optim.make(search), ranks=setting.ranks, workers=setting.workers
    ) as live:
        for step in training_loop(
            live,
            [batches],
            tau,
            course,
            keeper=keeper,
            first=k,
            longest=steps,
            more=lambda done: done < steps,
        ):
            course.record(step)
            progress(step.number, steps, f"loss {step.train_loss.min():.3f}")
        scores = live.evaluate(setting.validation)
        winner = int(np.nanargmin([score.loss for score in scores]))  # NaN: it diverged
        network = live.network(winner)
    changes = output_changes(parent, children, setting.validation.chunk(0, 64)[0])
    return Round(
        network,
        winner,
        RoundEnd.RECENTRED if winner else RoundEnd.KEPT,
        steps=steps,
        network_steps=steps * len(networks),
        k=k + steps,
        particles=course.rows,
        architectures=architecture_rows(
            parent, children, changes, [], winner, Dropouts(len(networks)), dict(enumerate(scores))
        ),
        validation_loss=scores[winner].loss,
        validation_accuracy=scores[winner].accuracy,
    )


# [end of round]


def run() -> nasflow.Found:
    """Run a short search on digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    # [search]
    found = nasflow.run_search(
        images,
        digits.target,
        algorithm=greedy,
        pretrain={"epochs": 2.0},
        search={"n_neigh": 4, "max_steps": 40},
        budget={"rounds": 2},
        final={"epochs": 1.0},
    )
    # [end of search]
    return found


if __name__ == "__main__":
    for status in run().lineage:
        print(status["reason"], status["morphism"], f"{status['validation_accuracy']:.1%}")
