"""What the evaluation of a network on a whole split gives."""

from __future__ import annotations

from typing import NamedTuple


class Score(NamedTuple):
    """The evaluation of a network on a whole split.

    Attributes:
        loss: mean cross-entropy, nats; with class weights that of each image has the weight of its
            class.
        accuracy: between 0 and 1; with class weights each image counts as its class does, so that
            networks are not compared by accuracy in another way than by loss. With balanced
            weights it is the balanced accuracy, as far as the split has the classes of training.
    """

    loss: float
    accuracy: float
