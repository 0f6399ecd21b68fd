"""How long the final training lasts where pretraining, search and it share one budget."""

from __future__ import annotations

import time
from typing import Any

from nasflow import optim
from nasflow.batches import Batches, Split
from nasflow.network import Network
from nasflow.siblings import Siblings

TRIED = 30  # steps at least, of which the first ten warm caches up
SHARE = 0.05  # of the seconds that are left
LONGEST = 3.0  # seconds
LOOKS = 10  # evaluations that `train` makes


def epochs_left(
    network: Network,
    data: Split,
    validation: Split,
    final: dict[str, Any],
    augment: dict[str, Any],
    spent: dict[str, float],
    workers: int,
) -> float:
    """Epochs of one network that `final.total_epochs` or `final.total_seconds` leave, at least one
    step.

    Seconds are turned into epochs by the speed of some steps on a copy, so that the cosine has a
    length before it starts and the training is the same function of it as always. The measurement
    is not counted; how well the budget was met stands in metrics.json (on a machine with other work
    12 s became 10 to 14, since its speed changed)."""
    images = len(data) + (len(validation) if final["use_validation"] else 0)
    epoch = images // final["batch_size"]
    if final["total_epochs"] is not None:
        return float(max(1.0 / epoch, final["total_epochs"] - spent["epochs"]))
    left = float(final["total_seconds"]) - spent["seconds"]
    patience = min(LONGEST, SHARE * left)
    step, look = measured(network, data, validation, final, augment, workers, patience)
    return float(max(1.0, (left - LOOKS * look) / step) / epoch)


def measured(
    network: Network,
    data: Split,
    validation: Split,
    final: dict[str, Any],
    augment: dict[str, Any],
    workers: int,
    patience: float,
) -> tuple[float, float]:
    """Seconds of a step, from at least TRIED ones and for `patience` seconds, and of an
    evaluation; on a copy of the network that is thrown away."""
    keys = ("friction", "momentum", "weight_decay")
    step = optim.make(final["optimizer"], **{key: final[key] for key in keys})
    batches = Batches(
        data, final["batch_size"], "trial of speed", (0,), cutout=final["cutout"], **augment
    )
    with Siblings(
        [network],
        step,
        workers=workers,
        shards=final["shards"],
        average=final["weight_average"],
        precision=final["precision"],
    ) as live:
        marks = [time.monotonic()]
        while len(marks) <= TRIED or marks[-1] - marks[0] < patience:
            live.step([batches(len(marks))], None, 1e-6)
            marks.append(time.monotonic())
        live.evaluate(validation)
        look = time.monotonic() - marks[-1]
    first = TRIED // 3
    return (marks[-1] - marks[first]) / (len(marks) - 1 - first), look
