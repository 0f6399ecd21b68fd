"""The fraction of a search's training seconds that went into the line of its final network.

The line of the final network is the chain of networks that led to it: the base network, in each
round the node that won (the centre where no child won), and the final network. The weights of the
final network come from the training of this line and of nothing else. So the fraction says how
much of the time was trained into the result; the rest was spent on siblings that were given up.

Siblings of a round train side by side, so the records have no seconds for one of them. The seconds
of a round are therefore divided among its networks in proportion to their FLOPs: FLOPs of a forward
pass, times the training steps that the network took. Steps alone would say too little about the
time where siblings differ in size, or where they train for equal seconds and not for equal steps.
A network that no search found (chain6, none) has the fraction 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nasflow.records import curves
from nasflow.storage.files import read_json

Json = Mapping[str, Any]


def own_line(search: Path) -> float:
    """Return the fraction, between 0 and 1, of the training seconds in the final network's line.

    Args:
        search: the folder of a finished search, results/experiment/method/seed_s.

    Raises:
        CorruptFile: if a record is missing or damaged.
    """
    before, after = (read_json(search / name / "status.json") for name in ("pretrain", "final"))
    own = total = float(before["seconds"] + after["seconds"])
    count = read_json(search / "search" / "summary.json")["rounds"]
    for number, path in curves.rounds(search).items():
        if number <= count:  # folders of an earlier search with more rounds may stand behind
            status = read_json(path)
            total += status["seconds"]
            own += status["seconds"] * of_round(path.parent, status)
    return own / total if total else 1.0


def of_round(folder: Path, status: Json) -> float:
    """Return the fraction of a round's training that its winner had, in FLOPs.

    Args:
        folder: the folder of the round.
        status: its status.json.

    Returns:
        A number between 0 and 1; 0 where the round took no step.
    """
    nodes = curves.table(folder, status, "architectures.parquet").to_pylist()
    taken = curves.table(folder, status, "particles.parquet")["node"].to_numpy()
    flops = np.zeros(len(nodes))
    for place, row in enumerate(nodes):
        steps = int(np.count_nonzero(taken == row["node"]))
        flops[place] = row["flops"] * min(steps, row["died_at"] or steps)
    return float(flops[status["winner"]] / flops.sum()) if flops.any() else 0.0
