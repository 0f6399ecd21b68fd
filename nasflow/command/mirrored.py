"""A network that sees each image and its mirror image."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Classifier(Protocol):
    """A network that computes probabilities (n, classes) of uint8 (n, channels, height, width)."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    def __call__(self, images: Tensor) -> Tensor: ...


class Mirrored:
    """A network whose logits are the means of those of an image and of its mirror image.

    The probabilities are then p ~ sqrt(p_1 p_2), so that the logits themselves are not needed. It
    was worth 0.6 to 1.3 points of accuracy on CIFAR-10, where training images were mirrored, too,
    and takes twice as long.

    Args:
        network: computes probabilities.
    """

    def __init__(self, network: Classifier) -> None:
        self._network = network

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        return self._network.shape

    def __call__(self, images: Tensor) -> Tensor:
        """Return the probabilities (n, classes) of uint8 (n, channels, height, width)."""
        two = self._network(images), self._network(images.flip(3))
        return (0.5 * (two[0].log() + two[1].log())).softmax(1)
