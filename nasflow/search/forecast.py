"""How the losses of a portfolio will differ after more steps: a line through their logarithms.

Networks with random weights learn at different speeds, and their curves cross: on CIFAR-10 a wide
`airbench` was 0.18 nats behind a wide `chain7` after 40 steps, and ahead of it after 140. A network
must be the best one at the deadline, and not when the round ends.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from nasflow.particles.flow import Vector

LATEST = 0.25  # losses before this part of the steps say nothing: random weights fall at first
POINTS = 8  # means of losses through which the line goes, at equal distances of ln(step)
FEWEST = 16  # steps below which there is no forecast
SMALLEST = 1e-9  # nats; a mean of losses that is smaller counts as this, since 0 has no logarithm
LARGEST = 3.0  # the largest ln(L_i / L_0) that is predicted


class Forecast(NamedTuple):
    """What is predicted of m networks.

    Attributes:
        ratio: ln(L_i / L_0) after the additional steps, where L are losses (m,); 0 for network 0.
        error: its standard error, (m,).
    """

    ratio: Vector
    error: Vector


def forecast(losses: np.ndarray, factor: float) -> Forecast | None:
    """Predict the losses of networks relative to that of the first one.

    If each loss falls like a power of the steps, a_i n^-b_i, then ln(L_i / L_0) is a line in ln n:
    its slope is b_0 - b_i. The line goes through the means of the losses in POINTS parts of the
    latest steps, each weighted with its number of steps (least squares). All networks see the same
    validation images in a step, so that most of the noise of the losses cancels in their ratio.

    Args:
        losses: the validation losses of all steps so far, nats (n, m).
        factor: how many times as many steps are predicted.

    Returns:
        The forecast; None where there are too few steps.
    """
    n = len(losses)
    if n < FEWEST:
        return None
    edges = np.unique(np.round(np.geomspace(LATEST * n, n, POINTS + 1)).astype(np.int64))
    parts = list(pairwise(edges))
    x = np.array([np.log(np.arange(a + 1, b + 1) / n).mean() for a, b in parts])
    y = np.array([np.log(np.maximum(losses[a:b].mean(0), SMALLEST)) for a, b in parts])
    weight = np.sqrt(np.diff(edges))[:, None]
    X, Y = weight * np.stack([np.ones_like(x), x], 1), weight * (y - y[:, :1])
    inverse = np.linalg.inv(X.T @ X)
    line = inverse @ X.T @ Y
    variance = ((Y - X @ line) ** 2).sum(0) / (len(parts) - 2)
    at = np.array([1.0, np.log(factor)])
    return Forecast(np.minimum(at @ line, LARGEST), np.sqrt(variance * (at @ inverse @ at)))
