"""The stage of one prune round: the network of a search becomes smaller."""

from __future__ import annotations

import time
from pathlib import Path

from nasflow.stages.finished_round import round_made
from nasflow.stages.round_task import prune_task
from nasflow.stages.rounds import Here, one_round
from nasflow.stages.stage_inputs import read_splits, sections_of, stage
from nasflow.storage.ahead import RECORD
from nasflow.storage.made import beside, kept
from nasflow.training.ranks import joined


def prune_round(
    *,
    config: str,
    algorithm: str,
    data: Path,
    parent: Path,
    seed: int,
    round: int,
    out: Path,
    device: str,
    threads: int,
    deterministic: bool = False,
) -> None:
    """Run one round behind the search, whose children are smaller than their parent.

    Args:
        config: the sections search, prune and augment as JSON; beside them the class weights, where
            there are any.
        algorithm: an algorithm or an ablation, such as `nasgd-log`.
        data: folder of the prepared images.
        parent: stem of the checkpoint to start from: the winner of the search, or of the prune
            round before.
        seed: the seed of the search.
        round: its number among the prune rounds, from 1.
        out: folder to write.
        device: cpu, cuda or cuda:N.
        threads: threads of this process.
        deterministic: on a GPU, use only algorithms that give the same bits in each run.
    """
    task = prune_task(config, algorithm, seed, round)
    with stage(device, deterministic, [task.search.precision]) as device, joined() as ranks:
        wanted = round_made(config, algorithm, data, parent, seed, round, task.stage)
        if ranks.agree(float(ranks.first and kept(out / RECORD, wanted)))[0]:
            return
        began = time.monotonic()
        images = read_splits(data, device, sections_of(config))
        here = Here(config, "{}", data, *images, device, threads, ranks)
        one_round(task, parent, out, here, began, beside(out, RECORD))
