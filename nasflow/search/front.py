"""A front of networks: which ones are trained to the end, and which ones no other network beats.

A network is on the front of accuracy against a cost when no other network is at least as accurate
at a cost that is at most as high, and better in one of the two. Such a network is also called
Pareto optimal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

SMALL = 0.1  # part of the largest network's FLOPs that every network is counted with, at least
Best = tuple[float, tuple[int, ...]]  # the sum of squared gaps, and the networks that have it


def spread(flops: Sequence[float], found: int, count: int, least: int = 0) -> list[int]:
    """Choose networks whose FLOPs are spread evenly on a logarithmic scale.

    The found network is always chosen, and so are those with fewest and with most FLOPs; of four or
    more networks, the one with fewest parameters is another. Of all choices that have these, the
    one is taken whose gaps between neighbours, in the logarithm of the FLOPs, have the smallest sum
    of squares: equal gaps would have the smallest sum of all. Where two choices are equal, the
    smaller networks are taken. With a count of 2 there is room for one network beside the found
    one: the smallest or the largest, whichever is further away.

    Args:
        flops: the FLOPs of different networks, from the smallest to the largest.
        found: the position of the found network.
        count: the number of networks that are wanted, 1 or more.
        least: the position of the network with fewest parameters.

    Returns:
        Their positions in rising order; all of them where there are no more than `count`.
    """
    last = len(flops) - 1
    if count > last:
        return list(range(last + 1))
    place = [math.log(number) for number in flops]
    if count == 1:
        return [found]
    if count == 2 and 0 < found < last:
        low = place[found] - place[0] >= place[last] - place[found]
        return [0, found] if low else [found, last]
    forced = {0, found, last, *([least] if count > 3 else [])}
    best: dict[int, Best] = {0: (0.0, (0,))}  # by the last network that is chosen
    for _ in range(count - 1):
        longer: dict[int, Best] = {}
        for here in range(1, last + 1):
            ways = (
                (sum_ + (place[here] - place[before]) ** 2, (*chosen, here))
                for before, (sum_, chosen) in best.items()
                if before < here and not any(before < one < here for one in forced)
            )
            if way := min(ways, default=None):
                longer[here] = way
        best = longer
    return list(best[last][1])


def shares(flops: Sequence[float], length: str, *, taught: bool = False) -> list[float]:
    """Tell what part of the final training each network of a front takes.

    Args:
        flops: the FLOPs of each network for one image, from the smallest to the largest.
        length: the key of the section `final` that says how long a training lasts. With `flops`
            all networks get the same compute budget, and with `total_epochs` the same number of
            passes over the images, whose costs are not counted: both share equally. With `epochs`
            and `total_seconds` they make the same number of passes, and a pass costs time: the
            share is in proportion to the FLOPs. A small network needs more time than its FLOPs
            tell, so each counts at least SMALL of the largest one.
        taught: whether the largest network teaches the others. A pass of each of them then holds
            a forward pass of the teacher, which costs a third of a pass of its training.

    Returns:
        The part of each network; their sum is 1.
    """
    largest = max(flops)
    counted = [max(number, SMALL * largest) for number in flops]
    if taught:
        counted[:-1] = [number + largest / 3.0 for number in counted[:-1]]
    if length in ("flops", "total_epochs"):
        counted = [1.0] * len(flops)
    whole = math.fsum(counted)
    return [number / whole for number in counted]


def on_front(accuracies: Sequence[float | None], costs: Sequence[float | None]) -> list[bool]:
    """Tell which networks are on the front of accuracy against a cost.

    Args:
        accuracies: the accuracy of each network; None where it is not known.
        costs: its cost, such as parameters or milliseconds; None where it is not known.

    Returns:
        For each network, whether no other one is at least as accurate at a cost that is at most as
        high, and better in one of the two. A network whose accuracy or cost is not known is on no
        front.
    """
    known = [
        (accuracy, -cost) if accuracy is not None and cost is not None else None
        for accuracy, cost in zip(accuracies, costs, strict=True)
    ]
    return [
        one is not None
        and not any(
            other is not None and other != one and other[0] >= one[0] and other[1] >= one[1]
            for other in known
        )
        for one in known
    ]
