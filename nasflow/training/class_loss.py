"""The loss of a batch, in which the images of each class may count more or less.

The loss of an image is sum_k target_k w_k (-log p_k), where p are the probabilities of the network
and w the weights of the classes. The target is 1 for the class of the image; label smoothing
spreads a part of it evenly over all classes, as torch does, and mixed images have several classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_loss(
    logits: Tensor, labels: Tensor, weights: Tensor | None, smoothing: float = 0.0
) -> Tensor:
    """Return the mean loss of a batch, nats, without waiting for a GPU.

    Args:
        logits: the outputs of the network, float32 (b, classes).
        labels: the classes, int64 (b,), or the probabilities of all classes, float32 (b, classes).
        weights: the weights of the classes, float32 (classes,); None where all are 1.
        smoothing: the part of the target that is spread over all classes.
    """
    if weights is None:
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)
    # torch would divide by the weights of the labels. Then the weight of an image would depend on
    # which other images are in its batch, and a batch of one class alone would count as if there
    # were no weights. Divided by the number of images, the mean over batches is the mean over the
    # images, whose weights have mean 1; its standard error is that of any mean of a sample.
    total = F.cross_entropy(
        logits, labels, weight=weights, label_smoothing=smoothing, reduction="sum"
    )
    return total / len(labels)


def divergence(logits: Tensor, known: Tensor, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence KL(q || p) of each image, nats (b,).

    Here q is the softmax of `known` / temperature, and p that of `logits` / temperature.

    Args:
        logits: the outputs of the network that is trained, float32 (b, classes).
        known: the outputs of the network that it is compared with, float32 (b, classes).
        temperature: what both are divided by.
    """
    p, q = ((t / temperature).log_softmax(1) for t in (logits, known))
    return F.kl_div(p, q, reduction="none", log_target=True).sum(1)


def image_weights(labels: Tensor, weights: Tensor) -> Tensor:
    """Return how much each image counts, float32 (b,): the weight of its class.

    A mixed image has the mean weight of its classes.

    Args:
        labels: the classes, int64 (b,), or the probabilities of all classes, float32 (b, classes).
        weights: the weights of the classes, float32 (classes,).
    """
    return labels @ weights if labels.is_floating_point() else weights[labels]


def sums(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return what the scores of a whole split are added up from, without waiting for a GPU.

    Args:
        logits: the outputs of the network, float32 (b, classes).
        labels: the classes, int64 (b,).
        weights: the weights of the classes, float32 (classes,); None where all are 1.

    Returns:
        The sum of the losses in nats, the weights of the images that are classified correctly, and
        the weights of all images, float64 (3,). Without weights an image counts 1.
    """
    loss = F.cross_entropy(logits, labels, weight=weights, reduction="sum")
    right = logits.argmax(1) == labels
    if weights is None:
        count = torch.full_like(loss, len(labels), dtype=torch.float64)
        return torch.stack([loss.double(), right.sum().double(), count])
    own = weights.double()[labels]
    return torch.stack([loss.double(), torch.where(right, own, 0.0).sum(), own.sum()])
