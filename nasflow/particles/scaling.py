"""How strong the entropy is and how fast particles move: w and kappa tau of a step.

The paper's constants (w = 1, kappa tau <= 0.05) do not fit the losses. With 9 nodes and beta = 1
the stop rule needs a lead of 0.10 nats, but siblings that began as the same function differ by
0.01 to 0.08 after some hundred steps, so that no round would end. With kappa = 50 chance decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nasflow.particles.flow import Vector, potential

# A function (V, standard_error, tau) -> (w, kappa tau).
Scale = Callable[[Vector, Vector, float], tuple[float, float]]


def paper(*, kappa: float, entropy_weight: float) -> Scale:
    """Make the scale with the constants that the paper prints: w and kappa tau_k.

    Args:
        kappa: the mutation coefficient.
        entropy_weight: w.

    Returns:
        A function of (V, standard_error, tau) that gives w and kappa tau.
    """

    def scale(V: Vector, standard_error: Vector, tau: float) -> tuple[float, float]:
        return entropy_weight, kappa * tau

    return scale


def auto(
    *,
    m: int,
    degree: float,
    particles: int,
    kind: str,
    beta: float,
    confidence: float,
    min_lead: float,
    mobility: float,
) -> Scale:
    """Choose w such that the stop rule is a test, and kappa such that its first step is gentle.

    Take m nodes of which one is better by D and the others are tied. Then the equilibrium of the
    flow has f_max = 2 f_0 at D = w (U'(2a) - U'(a)) with a = 1 / (m + 1). D is set to `confidence`
    standard errors of the paired differences, so that a round ends when a child leads by that much.
    As the average grows longer the errors shrink, w shrinks with them, and smaller leads decide.
    The error is the largest among the children that lead the centre (among all children where none
    leads), since the noisiest contender must not win by its noise.

    `min_lead` bounds D from below: a child that is nearly the same network has errors near zero and
    would win by nothing.

    In the first step a part `mobility` of the particles leaves the centre, whatever w is; the flow
    then relaxes in some 10 steps.

    Args:
        m: number of nodes.
        degree: sum of the weights of the edges of the centre.
        particles: N.
        kind: the form of U', as in `flow.potential`.
        beta: exponent of the power potential.
        confidence: standard errors by which a child must lead.
        min_lead: nats by which a child must lead at least.
        mobility: part of the particles of the centre that leave in the first step.

    Returns:
        A function of (V, standard_error, tau) that gives w and kappa tau.
    """
    a = 1.0 / (m + 1)
    ends = potential(np.array([2 * a, a, 1.0, 1.0 / particles]), kind, beta)
    margin, span = ends[0] - ends[1], ends[2] - ends[3]

    def scale(V: Vector, standard_error: Vector, tau: float) -> tuple[float, float]:
        leading = standard_error[1:][V[1:] < V[0]]
        errors = leading if len(leading) else standard_error[1:]
        w = max(confidence * float(errors.max()), min_lead, 1e-9) / margin
        return w, mobility / (w * span * degree)

    return scale


def damping(mobility: float, time_step: float) -> float:
    """Return NASAGD's unit of friction under `auto`: sqrt(mobility) per step of phi.

    With it gamma = sqrt(w span degree), whatever the mobility. The stop rule tests the equilibrium,
    so the particles must not run through it: without friction they empty the centre, and a child
    wins by chance. All of 60 rounds among nine equal nodes ended, after 4 steps. In this unit 0.8
    is too little and 1 is enough (3 to 33 nodes, beta 0.5 to 3, log, stars): no round among equals
    ends, and one with a clear lead does after 13 steps (NASGD: 29). With two children only, a lead
    of 0.6 of `confidence` still decides.

    Args:
        mobility: part of the particles of the centre that leave in the first step.
        time_step: the time step of phi.
    """
    return math.sqrt(mobility) / time_step
