"""tau_k: the length of a time step, as functions of the step."""

from __future__ import annotations

import math


def cosine(step: float, length: float, start: float, final: float) -> float:
    """final + (start - final)(1 + cos(pi step / length)) / 2, and final from `length` on."""
    return final + 0.5 * (start - final) * (1.0 + math.cos(math.pi * min(step / length, 1.0)))


def sgdr(k: int, cycle: float, start: float, final: float) -> float:
    """Cosine with warm restarts every `cycle` steps (Loshchilov & Hutter 2017, constant T_i).

    k is global over all rounds of a search: unlike NASH's, a new round does not reset it (paper,
    section 3)."""
    return cosine(math.fmod(k, cycle), cycle, start, final)
