"""A trained network whose probabilities another network learns beside the labels: distillation.

The network that learns is the student. Its loss is (1 - a) CE + a T^2 KL(q || p), where CE is the
cross-entropy of the labels, T the temperature, and q and p are the softmax of the logits of the
teacher and of the student divided by T (Hinton et al. 2015, arXiv 1503.02531). The factor T^2 keeps
the gradients of the second term as large as those of the first one, whatever T is.

The teacher sees exactly the images that the student sees, with all random changes and mixtures
(Beyer et al. 2022, arXiv 2106.05237), so that its probabilities cannot be computed ahead. Label
smoothing changes CE only. With class weights, KL of an image counts as much as its label does.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nasflow.config.training import Final
from nasflow.network.network import Network, forward
from nasflow.training.class_loss import divergence, image_weights
from nasflow.training.live_network import live


class Teacher(NamedTuple):
    """A network that teaches; its weights and statistics stay as they are.

    Attributes:
        network: the teacher, on the device of the student, in the memory order of `live`.
        weight: how much its probabilities count in the loss (a), from 0 to 1.
        temperature: what the logits of both networks are divided by (T).
    """

    network: Network
    weight: float
    temperature: float

    def logits(self, images: Tensor) -> Tensor:
        """Return its logits (b, classes) in evaluation mode, without waiting for a GPU.

        They are computed in float32, also where the student computes in bfloat16. On a GPU, the
        precision tf32 belongs to the whole process, and rounds the products of the teacher too.
        """
        g, x, buffers, _ = self.network
        with torch.no_grad():
            return forward(g, x, buffers, images, training=False)

    def blended(
        self, loss: Tensor, logits: Tensor, batch: tuple[Tensor, Tensor], weights: Tensor | None
    ) -> Tensor:
        """Return the loss of a student that is taught.

        Args:
            loss: the mean cross-entropy of the labels, nats, of no dimension.
            logits: the outputs of the student, float32 (b, classes).
            batch: the images (b, channels, height, width) that the student saw, and their labels,
                which are classes (b,) or probabilities of classes (b, classes).
            weights: the weights of the classes, float32 (classes,); None where all are 1.

        Returns:
            The mean loss in nats, of no dimension.
        """
        images, labels = batch
        apart = divergence(logits, self.logits(images), self.temperature)
        if weights is not None:
            apart = apart * image_weights(labels, weights)
        factor = self.weight * self.temperature**2
        return (1.0 - self.weight) * loss + factor * apart.mean()


def teacher_of(network: Network | None, stage: Final) -> Teacher | None:
    """Return the teacher of a final training, or None where it has none or does not listen to it.

    Args:
        network: the trained network, on the device of the student.
        stage: the section `final`, which holds the weight and the temperature.
    """
    if network is None or stage.distillation == 0.0:
        return None
    return Teacher(live(network._replace(v={})), stage.distillation, stage.temperature)


def check_wanted(teacher: Network | None, stage: Final) -> None:
    """Refuse a teacher that nobody listens to, and a weight of a teacher that is not there.

    Raises:
        ValueError: one line that says what is missing.
    """
    if teacher is not None and stage.distillation == 0.0:
        raise ValueError("final.distillation: 0; expected more than 0, because there is a teacher")
    if teacher is None and stage.distillation > 0.0:
        raise ValueError(
            f"final.distillation: {stage.distillation:g}; expected 0, because there is no teacher"
        )


def check_fits(teacher: Network, student: Network, where: str) -> None:
    """Refuse a teacher that takes other images or tells other classes than the student.

    Args:
        teacher: the network that is to teach.
        student: the network that is to be trained.
        where: what the user calls the teacher, such as `--teacher PATH`.

    Raises:
        ValueError: one line that names both.
    """
    found, wanted = (
        ((g.image.width, *g.size), g.head.width)
        for g in (teacher.architecture, student.architecture)
    )
    if found != wanted:
        raise ValueError(
            f"{where} takes (channels, height, width), classes {found}; the network that is"
            f" trained takes {wanted}; give a teacher that was trained on the same prepared images"
        )
