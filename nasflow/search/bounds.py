"""The bounds of a board (`search.constraints.max_flash`, `max_ram`), and how a search keeps them.

No network of a search breaks a bound, from the one that it begins with to the one that it finds. A
search whose morphisms all shrink a network (`NEGATIVE`) is the one exception. It may begin above a
bound: each of its children then takes less than its parent of what breaks the bound, and once a
bound is kept it is never broken again. docs/boards.md explains this rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import TEMPLATES
from nasflow.config.kinds import Stored
from nasflow.config.search import NEGATIVE, Constraints, Search
from nasflow.deployment.flash import flash
from nasflow.deployment.ram import ram

MEASURES: dict[str, tuple[Callable[[Architecture, Stored], int], str]] = {
    "max_flash": (flash, "bytes of weights"),
    "max_ram": (ram, "bytes of maps at once"),
}


class Excess(NamedTuple):
    """A bound that a network breaks.

    Attributes:
        key: the key of the bound, such as `max_flash`.
        bound: its value.
        taken: what the network takes.
        precision: the number format for which both hold.
    """

    key: str
    bound: float
    taken: float
    precision: Stored

    @property
    def takes(self) -> str:
        """What the network takes, in words: `6,904 bytes of weights in int8`."""
        return f"{self.taken:,} {MEASURES[self.key][1]} in {self.precision}"


def exceeded(g: Architecture, constraints: Constraints) -> list[Excess]:
    """List the bounds of a board that a network breaks; a bound that is None always holds.

    Args:
        g: the architecture.
        constraints: the bounds, and the precision for which they hold.
    """
    found = []
    for key, (measure, _) in MEASURES.items():
        bound = getattr(constraints, key)
        if bound is not None and (taken := measure(g, constraints.precision)) > bound:
            found.append(Excess(key, bound, taken, constraints.precision))
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


def prunes(drawn: Mapping[str, float]) -> bool:
    """Tell whether all morphisms that are drawn shrink a network.

    Args:
        drawn: the weight of each morphism; those of weight 0 are never drawn.
    """
    return all(name in NEGATIVE for name, weight in drawn.items() if weight > 0)


def refuse(g: Architecture, search: Search, name: str = "the base network") -> None:
    """Check that a search may begin with a network.

    Args:
        g: the architecture.
        search: the section of the search, with the bounds and the morphisms.
        name: what the network is called in the message.

    Raises:
        ValueError: if it breaks a bound, and the search does not prune; one line for each bound.
    """
    if prunes(search.drawn):
        return
    lines = [
        f"search.constraints.{e.key}: {e.bound}; {name} takes {e.takes}; raise the bound, begin "
        "with a smaller network (section base), or draw only morphisms that shrink "
        "(config/prune.yaml)"
        for e in exceeded(g, search.constraints)
    ]
    if lines:
        raise ValueError("\n".join(lines))


def affordable(portfolio: Sequence[str], g: Architecture, search: Search) -> tuple[str, ...]:
    """Return the networks of a portfolio that keep the bounds, and nothing where only g is left.

    The first one is the centre, which `refuse` has looked at; it stays.

    Args:
        portfolio: the names of the templates, `base.portfolio`.
        g: the architecture of the first one, which tells the image and the classes.
        search: the section of the search.
    """
    out = {name for name, _ in too_large(portfolio, g, search)}
    left = tuple(name for name in portfolio if name not in out)
    return left if len(left) > 1 else ()


def too_large(
    portfolio: Sequence[str], g: Architecture, search: Search
) -> list[tuple[str, list[Excess]]]:
    """List the networks of a portfolio, besides the first, that break a bound, with what they break.

    The arguments are those of `affordable`.
    """
    image, classes = g.shapes[g.image.id], g.head.width
    found = [
        (name, exceeded(TEMPLATES[name](image, classes), search.constraints))
        for name in portfolio[1:]
    ]
    return [(name, broken) for name, broken in found if broken]
