"""How long the final training lasts where pretraining, search and it share one budget."""

from __future__ import annotations

import time
from typing import Any

from nasflow import optim
from nasflow.batches import Batches, Split
from nasflow.network import Network
from nasflow.siblings import Siblings

TRIED = 30  # steps, of which the first third warms caches up
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
    step. Seconds are turned into epochs by a measured step, so that the cosine has a length before
    it starts and the stage is the same function of it as always; how well that was met stands in
    metrics.json. A budget that is spent leaves one step."""
    images = len(data) + (len(validation) if final["use_validation"] else 0)
    epoch = images // final["batch_size"]
    if final["total_epochs"] is not None:
        return float(max(1.0 / epoch, final["total_epochs"] - spent["epochs"]))
    began = time.monotonic()
    step, look = _measured(network, data, validation, final, augment, workers)
    taken = time.monotonic() - began
    seconds = float(final["total_seconds"]) - spent["seconds"] - taken - LOOKS * look
    return float(max(1.0, seconds / step) / epoch)


def _measured(
    network: Network,
    data: Split,
    validation: Split,
    final: dict[str, Any],
    augment: dict[str, Any],
    workers: int,
) -> tuple[float, float]:
    """Seconds of a step and of an evaluation, on a copy of the network that is thrown away."""
    keys = ("friction", "momentum", "weight_decay")
    step = optim.make(final["optimizer"], **{key: final[key] for key in keys})
    batches = Batches(
        data, final["batch_size"], "trial of speed", (0,), cutout=final["cutout"], **augment
    )
    with Siblings([network], step, workers=workers, shards=final["shards"]) as live:
        marks = []
        for k in range(TRIED):
            marks.append(time.monotonic())
            live.step([batches(k)], None, 1e-6)
        marks.append(time.monotonic())
        live.evaluate(validation)
        look = time.monotonic() - marks[-1]
    first = TRIED // 3
    return (marks[-1] - marks[first]) / (TRIED - first), look
