"""The bounds of a board (`search.constraints.max_flash`, `max_ram`, `max_latency`) in a search.

No network of a search breaks a bound, from the one that it begins with to the one that it finds. A
search whose morphisms all shrink a network (`SMALLER`) is the one exception. It may begin above a
bound: each of its children then takes less than its parent of what breaks the bound, and once a
bound is kept it is never broken again. docs/boards.md explains this rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import TEMPLATES
from nasflow.config.kinds import Stored
from nasflow.config.search import SMALLER, Constraints, Search
from nasflow.deployment.flash import flash
from nasflow.deployment.latency_table import LatencyTable
from nasflow.deployment.ram import ram

Measure = Callable[[Architecture, Stored], float]
MEASURES: dict[str, tuple[Measure, str]] = {
    "max_flash": (flash, "bytes of weights"),
    "max_ram": (ram, "bytes of maps at once"),
}


def _measures(table: LatencyTable | None) -> dict[str, tuple[Measure, str]]:
    """Return MEASURES, with the predicted latency where there is a table of latencies."""
    if table is None:
        return MEASURES
    own = table

    def latency(g: Architecture, precision: Stored) -> float:
        return own.milliseconds(g)

    return {**MEASURES, "max_latency": (latency, "ms for one image (predicted)")}


class Excess(NamedTuple):
    """A bound that a network breaks.

    Attributes:
        key: the key of the bound, such as `max_flash`.
        bound: its value.
        taken: what the network takes.
        precision: the number format for which both hold.
        unit: what is counted.
    """

    key: str
    bound: float
    taken: float
    precision: Stored
    unit: str

    @property
    def takes(self) -> str:
        """What the network takes, in words: `6,904 bytes of weights in int8`."""
        taken = f"{self.taken:,}" if isinstance(self.taken, int) else f"{self.taken:.3g}"
        return f"{taken} {self.unit} in {self.precision}"


def exceeded(
    g: Architecture, constraints: Constraints, table: LatencyTable | None = None
) -> list[Excess]:
    """List the bounds of a board that a network breaks; a bound that is None always holds.

    Args:
        g: the architecture.
        constraints: the bounds, and the precision for which they hold.
        table: the table of latencies; without one, `max_latency` is not looked at.
    """
    found = []
    for key, (measure, unit) in _measures(table).items():
        bound = getattr(constraints, key)
        if bound is not None and (taken := measure(g, constraints.precision)) > bound:
            found.append(Excess(key, bound, taken, constraints.precision, unit))
    return found


def keeps(g: Architecture, constraints: Constraints, above: Architecture | None = None) -> bool:
    """Tell whether a network keeps the bounds of a board, or comes nearer to those it breaks.

    Args:
        g: the architecture.
        constraints: the bounds.
        above: the parent, where it may be above a bound; a network may then break the same bound,
            if it takes less than the parent. None: every bound must be kept.
    """
    broken = exceeded(g, constraints)
    if not broken or above is None:
        return not broken
    return all(e.taken < MEASURES[e.key][0](above, e.precision) for e in broken)


def quick(
    g: Architecture,
    constraints: Constraints,
    above: Architecture | None,
    table: LatencyTable | None,
) -> bool:
    """Tell whether a network keeps `max_latency`, or is quicker than a parent that is above it.

    The arguments are those of `keeps`; beside them stands the table of latencies, without which
    there is no bound.
    """
    bound = constraints.max_latency
    if bound is None or table is None:
        return True
    taken = table.milliseconds(g)
    return taken <= bound or (above is not None and taken < table.milliseconds(above))


def prunes(drawn: Mapping[str, float]) -> bool:
    """Tell whether all morphisms that are drawn shrink a network.

    Args:
        drawn: the weight of each morphism; those of weight 0 are never drawn.
    """
    return all(name in SMALLER for name, weight in drawn.items() if weight > 0)


def refuse(
    g: Architecture,
    search: Search,
    name: str = "the base network",
    table: LatencyTable | None = None,
) -> None:
    """Check that a search may begin with a network.

    Args:
        g: the architecture.
        search: the section of the search, with the bounds and the morphisms.
        name: what the network is called in the message.
        table: the table of latencies; without one, `max_latency` is not looked at.

    Raises:
        ValueError: if it breaks a bound, and the search does not prune; one line for each bound.
    """
    if prunes(search.drawn):
        return
    lines = [
        f"search.constraints.{e.key}: {e.bound}; {name} takes {e.takes}; raise the bound, begin "
        "with a smaller network (section base), or draw only morphisms that shrink "
        "(config/prune.yaml)"
        for e in exceeded(g, search.constraints, table)
    ]
    if lines:
        raise ValueError("\n".join(lines))


def affordable(
    portfolio: Sequence[str],
    g: Architecture,
    search: Search,
    table: LatencyTable | None = None,
) -> tuple[str, ...]:
    """Return the networks of a portfolio that keep the bounds, or none where only the first does.

    The first one is the centre, which `refuse` has looked at; it stays.

    Args:
        portfolio: the names of the templates, `base.portfolio`.
        g: the architecture of the first one, which tells the image and the classes.
        search: the section of the search.
        table: the table of latencies; without one, `max_latency` is not looked at.
    """
    out = {name for name, _ in too_large(portfolio, g, search, table)}
    left = tuple(name for name in portfolio if name not in out)
    return () if out and len(left) == 1 else left


def too_large(
    portfolio: Sequence[str],
    g: Architecture,
    search: Search,
    table: LatencyTable | None = None,
) -> list[tuple[str, list[Excess]]]:
    """List the networks of a portfolio, besides the first, that break bounds, with these bounds.

    The arguments are those of `affordable`.
    """
    image, classes = g.shapes[g.image.id], g.head.width
    found = [
        (name, exceeded(TEMPLATES[name](image, classes), search.constraints, table))
        for name in portfolio[1:]
    ]
    return [(name, broken) for name, broken in found if broken]
