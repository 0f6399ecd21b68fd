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
# Standard deviation of the slopes b_0 - b_i before any loss is seen. In 28 rounds on four data sets
# (docs/recipe.md) the 52 slopes that were known to 0.05 had 0.12, and none was beyond 0.3.
SPREAD = 0.15


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

    A line that fits badly says little about its slope. So the slope has a normal prior around 0
    with the deviation SPREAD (ridge regression): the worse the fit, the flatter the line. Otherwise
    a network whose losses were far too high at first, and that is only returning from there, would
    be predicted to fall on like this.

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
    gram, moment = X.T @ X, X.T @ Y
    variance = ((Y - X @ np.linalg.solve(gram, moment)) ** 2).sum(0) / (len(parts) - 2)
    # In units of the variance the prior adds the square of the slope over SPREAD^2 to the squares.
    prior = np.multiply.outer(variance / SPREAD**2, np.diag([0.0, 1.0]))
    inverse = np.linalg.inv(gram + prior)  # one of 2 x 2 for each network
    at = np.array([1.0, np.log(factor)])
    ratio = np.einsum("i,mij,jm->m", at, inverse, moment)
    error = np.sqrt(variance * np.einsum("i,mij,j->m", at, inverse, at))
    return Forecast(np.minimum(ratio, LARGEST), error)
