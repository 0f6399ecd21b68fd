"""The Pareto front of networks: those that no other network beats in accuracy and in a cost.

A network is on the front of a cost if no other network has a validation accuracy that is as high at
a cost that is as low, one of the two strictly better. The accuracy on the test images takes no
part.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from nasflow.config.kinds import Stored
from nasflow.records.front import MEASURED, Front, Network

POINT = 0.01  # one point of accuracy
COLUMNS = (
    *("number", "name", "source", "found", "folder", "parameters", "flops", "validation_accuracy"),
    *MEASURED,
)


def pareto(networks: Sequence[Network], cost: str, stored: Stored = Stored.INT8) -> list[Network]:
    """Return the networks on the front of a cost, the cheapest first.

    Args:
        networks: the networks that compete; one whose cost is not known is not on the front.
        cost: a key of `front.COSTS`.
        stored: the number format, for costs that depend on it.
    """
    known = [(value, one) for one in networks if (value := one.cost(cost, stored)) is not None]
    best = [
        (value, one)
        for value, one in known
        if not any(_beats(other, rival, value, one) for other, rival in known)
    ]
    return [one for _, one in sorted(best, key=lambda pair: (pair[0], pair[1].number))]


def _beats(other: float, rival: Network, value: float, one: Network) -> bool:
    as_good = rival.validation_accuracy >= one.validation_accuracy and other <= value
    return as_good and (rival.validation_accuracy > one.validation_accuracy or other < value)


def most_accurate(networks: Sequence[Network], stored: Stored = Stored.INT8) -> Network:
    """Return the network with the highest validation accuracy; of several the smallest."""
    best = max(one.validation_accuracy for one in networks)
    return min((one for one in networks if one.validation_accuracy == best), key=_order(stored))


def nearly_best(networks: Sequence[Network], stored: Stored = Stored.INT8) -> Network:
    """Return the smallest network within one point of the highest validation accuracy."""
    least = max(one.validation_accuracy for one in networks) - POINT
    near = [one for one in networks if one.validation_accuracy >= least - 1e-9]
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


def table(found: Front) -> str:
    """Write the networks of a front as CSV with a line of headings."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in found.networks:
        row = one._asdict() | {"folder": one.folder.relative_to(found.search).as_posix()}
        writer.writerow("" if row[name] is None else row[name] for name in COLUMNS)
    return out.getvalue()
