"""Which children have fallen behind for good, so that the others can have their time.

In a round all networks train side by side, and only the weights of one of them go on. The time of a
child that cannot win any more is lost for all.
"""

from __future__ import annotations

import numpy as np

from nasflow.particles.flow import Vector

CATCHING_UP = 0.7  # a child whose gap fell below this part of what it was may still catch up


def behind(V: Vector, error: Vector, earlier: Vector, out: np.ndarray, retire: float) -> np.ndarray:
    """Tell which children trail the best network clearly, and do not catch up.

    A network that learns slowly at first may end ahead of the others (on AddNIST a network with a
    whitened first layer was 0.25 nats behind at 4 % of the time and 0.03 at 8 %). So the gap
    must be large, and it must not have shrunk since half as many steps. A forecast counts the
    shrinking itself; then V and `earlier` are both what it predicts.

    Args:
        V: the running averages of the validation losses, or their forecast, nats (m,).
        error: the standard errors of V_i - V_0, nats (m,).
        earlier: the averages after half as many steps, or the forecast, nats (m,).
        out: the siblings that are out already, bool (m,).
        retire: how many standard errors a child must trail.

    Returns:
        The children that have fallen behind, bool (m,); never the centre, node 0.
    """
    best = int(np.argmin(np.where(out, np.inf, V)))
    gap, before = V - V[best], earlier - earlier[best]
    noise = error + error[best]  # at least the error of V_i - V_best
    late: np.ndarray = (gap > retire * noise) & (gap >= CATCHING_UP * before) & (gap > 0.0)
    late[0] = False
    late[out] = False
    return late
