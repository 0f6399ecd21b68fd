"""The evaluation of a single network on a whole split."""

from __future__ import annotations

from nasflow.config.kinds import Precision
from nasflow.network.network import Network
from nasflow.training.batches import Split
from nasflow.training.optim import no_update
from nasflow.training.ranks import ALONE, Ranks
from nasflow.training.siblings import Score, Siblings


def evaluate(
    network: Network,
    split: Split,
    *,
    precision: Precision = Precision.FLOAT32,
    workers: int = 1,
    ranks: Ranks = ALONE,
) -> Score:
    """Evaluate one network on a whole split, at its weights as they are.

    Args:
        network: the network, on the device of the split.
        split: the images and labels, with class weights where the score has them.
        precision: of convolutions and head.
        workers: threads of this process.
        ranks: the processes that take part.

    Returns:
        The mean loss and the accuracy, the same on every rank.
    """
    with Siblings(
        [network],
        no_update,
        ranks=ranks,
        workers=workers,
        class_weights=split.weights,
        precision=precision,
    ) as live:
        return live.evaluate(split)[0]
