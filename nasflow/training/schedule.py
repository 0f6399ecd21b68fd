"""Step sizes tau as functions of the training step."""

from __future__ import annotations

import math


def cosine(step: float, length: float, start: float, final: float) -> float:
    """Fall along a cosine from `start` to `final`: final + (start - final)(1 + cos(pi s)) / 2.

    Args:
        step: the progress, in steps or in another unit; s = step / length.
        length: the end, in the same unit; from there on the value is `final`.
        start: the value at step 0.
        final: the value at `length` and after it.
    """
    return final + 0.5 * (start - final) * (1.0 + math.cos(math.pi * min(step / length, 1.0)))


def linear(step: float, length: float, start: float, final: float) -> float:
    """Fall along a line from `start` to `final`; the arguments are those of `cosine`."""
    return start + (final - start) * min(step / length, 1.0)


def sgdr(k: int, cycle: float, start: float, final: float) -> float:
    """Fall along a cosine that restarts every `cycle` steps (Loshchilov & Hutter 2017, constant T).

    Args:
        k: the global step, counted over all rounds of a search. Unlike in NASH, a new round does
            not reset it (paper, section 3).
        cycle: the length of a cycle, steps.
        start: the value at the start of a cycle.
        final: the value at its end.
    """
    return cosine(math.fmod(k, cycle), cycle, start, final)
