"""A table of latencies: how long each operation of a network takes on one core of a machine.

The predicted latency of a network is the sum over its operations of an amount, such as the
multiplications of a convolution, times the milliseconds that the table holds for it (Cai et al.
2019, arXiv 1812.00332, section 3.3, add up the times of blocks in the same way).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.config.kinds import Stored
from nasflow.deployment.latency_amounts import amounts


class Check(NamedTuple):
    """How far predictions are from measurements, over networks that the fit has not seen.

    Attributes:
        networks: how many networks.
        median: the median of the relative errors.
        ninth: their 90th percentile.
        within: the part of the networks whose error is at most TOLERATED.
    """

    networks: int
    median: float
    ninth: float
    within: float


TOLERATED = 0.15  # relative error of a prediction
LEAST = 1e-6  # milliseconds of the smallest prediction, whose logarithm must exist


class LatencyTable(NamedTuple):
    """Predicts how long a network takes for one image on one core, through onnxruntime.

    Attributes:
        precision: the number format in which the networks ran.
        image: (channels, height, width) of the images.
        block: channels that the runtime computes together; counts are rounded up to it.
        each: milliseconds for one unit of each amount (`latency_amounts.amounts`).
        check: how well it predicts.
    """

    precision: Stored
    image: tuple[int, int, int]
    block: int
    each: Mapping[str, float]
    check: Check

    def milliseconds(self, g: Architecture) -> float:
        """Predict the latency of a network.

        Args:
            g: an architecture.

        Returns:
            Milliseconds for one image.
        """
        found = amounts(g, self.precision, self.block)
        return max(LEAST, sum(found.get(name, 0.0) * each for name, each in self.each.items()))

    def entry(self) -> dict[str, Any]:
        """Return the table as plain data, which `table_of` reads."""
        return {
            "precision": self.precision.value,
            "image": list(self.image),
            "block": self.block,
            "milliseconds": dict(self.each),
            "check": self.check._asdict(),
        }


def table_of(entry: Mapping[str, Any]) -> LatencyTable:
    """Make a table from plain data.

    Args:
        entry: what `LatencyTable.entry` returned.

    Raises:
        ValueError: if the precision is unknown.
    """
    channels, height, width = entry["image"]
    return LatencyTable(
        Stored(entry["precision"]),
        (channels, height, width),
        entry["block"],
        dict(entry["milliseconds"]),
        Check(**entry["check"]),
    )
