"""Measuring networks through onnxruntime, and fitting the table of latencies to their times.

The times of operations are found from whole networks, because the time of an operation depends on
what stands around it: onnxruntime joins operations, and keeps maps in other layouts between them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import Image
from nasflow.config.kinds import Stored
from nasflow.deployment.latency_amounts import amounts
from nasflow.deployment.latency_measurement import measured
from nasflow.deployment.latency_sample import networks
from nasflow.deployment.latency_table import TOLERATED, Check, LatencyTable

NETWORKS = 120  # that are measured
PARTS = 8  # of them; each part is predicted by a fit to the others
BLOCKS = (16, 8, 1)  # channels that processors compute together: AVX-512, AVX2 or NEON, others
SMALL, ROUNDS = 0.08, 4  # relative error above which a network counts less; fits of this kind
Vector = npt.NDArray[np.float64]


def measure(image: Image, classes: int, precision: Stored) -> LatencyTable:
    """Measure networks on this machine, and fit a table to their times.

    Args:
        image: (channels, height, width).
        classes: the number of classes.
        precision: the number format in which networks run.

    Raises:
        ValueError: if the predictions are too far off, as where the machine is busy.
    """
    drawn = networks(image, classes, NETWORKS)
    times = measured(drawn, precision)
    table = fitted([network.architecture for network in drawn], times, precision)
    if table.check.median > TOLERATED:
        raise ValueError(
            f"latency: the error of a prediction is {table.check.median:.0%} in the median over "
            f"{len(drawn)} networks, and {TOLERATED:.0%} is the most that is kept; the machine is "
            "busy: measure again when it is not"
        )
    return table


def fitted(graphs: list[Architecture], times: Vector, precision: Stored) -> LatencyTable:
    """Fit a table to measured times, and check it on networks that the fit has not seen.

    The networks are divided into parts, and each part is predicted by a fit to all others
    (cross-validation). The table itself is fitted to all of them.

    Args:
        graphs: the networks, all for images of one shape.
        times: the milliseconds of each, (n,).
        precision: the number format in which they ran.
    """
    tried = []
    for block in BLOCKS if precision == Stored.FLOAT32 else BLOCKS[-1:]:
        names, counts = _matrix(graphs, precision, block)
        errors = np.abs(_unseen(counts, times) / times - 1.0)
        tried.append((float(np.mean(errors)), block, names, counts, errors))
    _, block, names, counts, errors = min(tried, key=lambda one: one[0])
    each = {n: float(t) for n, t in zip(names, _solution(counts, times), strict=True) if t > 0.0}
    check = Check(
        len(times),
        float(np.median(errors)),
        float(np.quantile(errors, 0.9)),
        float(np.mean(errors <= TOLERATED)),
    )
    return LatencyTable(precision, graphs[0].shapes[graphs[0].image.id], block, each, check)


def _matrix(
    graphs: list[Architecture], precision: Stored, block: int
) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return the names of all amounts, and how much of each a network has, (n, amounts)."""
    found = [amounts(g, precision, block) for g in graphs]
    names = sorted({name for one in found for name in one})
    return names, np.array([[one.get(name, 0.0) for name in names] for one in found])


def _unseen(counts: npt.NDArray[np.float64], times: Vector) -> Vector:
    """Predict each network by a fit to the networks of the other parts, milliseconds (n,)."""
    part = np.arange(len(times)) % PARTS
    predicted = np.zeros_like(times)
    for held in range(PARTS):
        out = part == held
        predicted[out] = counts[out] @ _solution(counts[~out], times[~out])
    return predicted


def _solution(counts: npt.NDArray[np.float64], times: Vector) -> Vector:
    """Return the milliseconds of one unit of each amount, none of them below zero, (amounts,).

    The sum of squared relative errors is made least. A network whose error is large counts less in
    the next fit, as by Huber's loss, because it was disturbed or is unlike the others."""
    most = counts.max(0)
    scaled = counts / np.where(most > 0.0, most, 1.0)
    weight = np.ones_like(times)
    for _ in range(ROUNDS):
        rows = weight / times
        found = nnls(scaled * rows[:, None], rows * times, maxiter=100 * counts.shape[1])[0]
        error = np.abs(scaled @ found / times - 1.0)
        weight = 1.0 / np.sqrt(np.maximum(1.0, error / SMALL))
    solution: Vector = found / np.where(most > 0.0, most, 1.0)
    return solution
