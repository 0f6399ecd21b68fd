"""The Pareto front of networks: those that no other network beats in accuracy and in a cost.

The rule is that of `nasflow.search.front.on_front`. It goes by the accuracy on the validation
images; the accuracy on the test images takes no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nasflow.config.kinds import Stored
from nasflow.records.front import Front, Network
from nasflow.search.front import on_front

POINT = 0.01  # one point of accuracy


def pareto(networks: Sequence[Network], cost: str, stored: Stored = Stored.INT8) -> list[Network]:
    """Return the networks on the front of a cost, the cheapest first.

    Args:
        networks: the networks that compete; one whose cost is not known is not on the front.
        cost: a key of `front.COSTS`.
        stored: the number format, for costs that depend on it.
    """
    costs = [one.cost(cost, stored) for one in networks]
    best = on_front([one.validation_accuracy for one in networks], costs)
    pairs = [
        (value, number, one)
        for number, (one, value, is_best) in enumerate(zip(networks, costs, best, strict=True))
        if is_best and value is not None
    ]
    return [one for _, _, one in sorted(pairs, key=lambda pair: pair[:2])]


def most_accurate(networks: Sequence[Network], stored: Stored = Stored.FLOAT32) -> Network:
    """Return the network with the highest validation accuracy in a number format; of several the
    smallest."""
    best = max(one.accuracy(stored) for one in networks)
    return min((one for one in networks if one.accuracy(stored) == best), key=_order(stored))


def nearly_best(networks: Sequence[Network], stored: Stored = Stored.FLOAT32) -> Network:
    """Return the smallest network within one point of the highest validation accuracy."""
    least = max(one.accuracy(stored) for one in networks) - POINT
    near = [one for one in networks if one.accuracy(stored) >= least - 1e-9]
    return min(near, key=_order(stored))


def _order(stored: Stored) -> Callable[[Network], tuple[float | str, ...]]:
    return lambda one: (*one.size(stored), str(one.folder))


def sentences(found: Front) -> list[str]:
    """Say in words what the front of a search offers, for people."""
    best, near = most_accurate(found.networks), nearly_best(found.networks)
    count = f"{found.validation_images:,} " if found.validation_images else ""
    first = (
        f"The most accurate network on the {count}validation images is {best.name!r}: "
        f"{best.validation_accuracy:.2%} with {_sizes(best)}."
    )
    if near is best:
        return [first, "No smaller network is within one point of it."]
    second = (
        f"The smallest network within one point of the best is {near.name!r}: "
        f"{near.validation_accuracy:.2%} with {_sizes(near)}."
    )
    return [second, first]


def _sizes(network: Network) -> str:
    flash, parameters = network.flash_int8, f"{network.parameters:,} parameters"
    return parameters if flash is None else f"{parameters} ({flash:,} bytes of flash in int8)"
