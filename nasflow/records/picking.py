"""The choice of one network among those of one or several searches, by bounds.

The choice knows the validation accuracies and the costs. What a network reaches on the test images
is told after the choice, and so it stays a fair measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nasflow.config.kinds import Stored
from nasflow.records.front import COSTS, Network
from nasflow.records.pareto import most_accurate

WORDS = {"flops": "FLOPs", "ram": "RAM"}


class Bounds(NamedTuple):
    """What the chosen network must keep; None bounds nothing.

    Attributes:
        latency: milliseconds for one image, at most.
        flash: bytes of the weights, at most.
        ram: bytes of the maps of one image, at most.
        parameters: parameters, at most.
        flops: FLOPs for one image, at most.
        accuracy: validation accuracy between 0 and 1, at least.
        stored: the number format in which latency, flash, RAM and the accuracy are meant.
    """

    latency: float | None = None
    flash: float | None = None
    ram: float | None = None
    parameters: float | None = None
    flops: float | None = None
    accuracy: float | None = None
    stored: Stored = Stored.INT8


class Break(NamedTuple):
    """A bound that a network does not keep.

    Attributes:
        what: which bound, such as `flash`.
        text: the same with the value of the network, for people.
        excess: by which part of the bound it is missed; infinite where the value is not known.
    """

    what: str
    text: str
    excess: float


class Pick(NamedTuple):
    """What was chosen.

    Attributes:
        broken: for each network that competed, in their order: the bounds that it does not keep.
        chosen: the chosen network; None where no network keeps all bounds.
        why: by what the network was chosen among those that keep the bounds, for people.
        nearest: where none was chosen, the network that misses the bounds by least.
    """

    broken: tuple[tuple[Break, ...], ...]
    chosen: Network | None
    why: str
    nearest: Network | None


def pick(networks: Sequence[Network], bounds: Bounds) -> Pick:
    """Choose a network.

    With a bound on the accuracy the cheapest network that keeps all bounds is chosen: the one with
    the lowest latency if the latency of all of them is known, or else the one with least flash.
    Without it the most accurate network is chosen; of several the smallest.

    Args:
        networks: the networks that compete, at least one.
        bounds: what the chosen network must keep.
    """
    broken = tuple(breaks(one, bounds) for one in networks)
    fitting = [one for one, found in zip(networks, broken, strict=True) if not found]
    if fitting:
        chosen, why = _best(fitting, bounds)
        return Pick(broken, chosen, why, None)
    pairs = zip(broken, networks, strict=True)
    nearest = min(pairs, key=lambda pair: (*_distance(pair[0]), pair[1].size(bounds.stored)))
    return Pick(broken, None, "", nearest[1])


def breaks(network: Network, bounds: Bounds) -> tuple[Break, ...]:
    """List the bounds that a network does not keep.

    Args:
        network: the network.
        bounds: the bounds.
    """
    found = []
    for name in COSTS:
        most, value = getattr(bounds, name), network.cost(name, bounds.stored)
        word = WORDS.get(name, name)
        if most is not None and value is None:
            found.append(Break(word, f"{word} not measured", float("inf")))
        elif most is not None and value is not None and value > most:
            text = f"{word} {amount(name, value)} above {amount(name, most)}"
            found.append(Break(word, text, value / most - 1.0))
    accuracy = network.accuracy(bounds.stored)
    if bounds.accuracy is not None and accuracy < bounds.accuracy:
        text = f"validation accuracy {accuracy:.2%} below {bounds.accuracy:.2%}"
        found.append(Break("accuracy", text, bounds.accuracy / max(accuracy, 1e-9) - 1.0))
    return tuple(found)


def amount(cost: str, value: float) -> str:
    """Write a cost with its unit, for people."""
    number = f"{value:.4g}" if cost == "latency" else f"{value:,.0f}"
    return f"{number} {COSTS[cost]}".rstrip()


def _distance(broken: tuple[Break, ...]) -> tuple[int, float]:
    """Order networks by how many bounds they miss, and then by the largest excess."""
    return len(broken), max(one.excess for one in broken)


def _best(fitting: Sequence[Network], bounds: Bounds) -> tuple[Network, str]:
    stored = bounds.stored
    if bounds.accuracy is None:
        return most_accurate(fitting, stored), "the highest validation accuracy"
    known = (n for n in ("latency", "flash") if all(one.cost(n, stored) for one in fitting))
    cost = next(known, "parameters")
    least = min(one.cost(cost, stored) or 0 for one in fitting)
    cheapest = [one for one in fitting if one.cost(cost, stored) == least]
    least_of = {"latency": "the lowest latency", "flash": "the least flash"}
    return most_accurate(cheapest, stored), least_of.get(cost, "the fewest parameters")
