"""How strong the entropy is and how fast particles move: w and kappa tau of a step.

The paper's constants (w = 1, kappa tau <= 0.05) do not fit the losses. With 9 nodes and beta = 1
the stop rule needs a lead of 0.10 nats, but siblings that began as the same function differ by
0.01 to 0.08 after some hundred steps, so that no round would end. With kappa = 50 chance decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nasflow.particles.flow import Matrix, Vector, potential

LEAST = 1e-9  # nats; the smallest threshold, so that w is never 0


class Strength(NamedTuple):
    """How strong the entropy is and how fast particles move in a step.

    Attributes:
        weight: the entropy weight w, nats.
        kappa_tau: the factor of the rates Q, which makes them probabilities.
        neighbours: to how many nodes particles leave the centre in a first step. It is the sum of
            the rates divided by the largest one. It is infinite where friction ignores it.
    """

    weight: float
    kappa_tau: float
    neighbours: float = math.inf


# A function (V, standard_error, tau, K) -> Strength. The rows of K are 0 for nodes that are out.
Scale = Callable[[Vector, Vector, float, Matrix], Strength]


def paper(*, kappa: float, entropy_weight: float) -> Scale:
    """Make the scale with the constants that the paper prints: w and kappa tau_k.

    Args:
        kappa: the mutation coefficient.
        entropy_weight: w.
    """

    def scale(V: Vector, standard_error: Vector, tau: float, K: Matrix) -> Strength:
        return Strength(entropy_weight, kappa * tau)

    return scale


def tied(
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
    """Choose w as if one child were better by D and all other nodes were equal.

    Then the equilibrium of the flow has f_max = 2 f_0 at D = w (U'(2a) - U'(a)) with
    a = 1 / (m + 1), which gives w for a given D. Where other children trail, a child must lead by
    more than D, up to (m + 1) / 3 times as much for beta = 1; `auto` has no such defect. This scale
    stays so that earlier searches can be repeated.

    Args:
        m: number of nodes.
        degree: sum of the weights of the edges of the centre.
        particles: N.
        kind: the form of U', as in `flow.potential`.
        beta: exponent of the power potential.
        confidence: D in standard errors; see `threshold`.
        min_lead: the smallest D, nats.
        mobility: part of the particles of the centre that leave in the first step.
    """
    a = 1.0 / (m + 1)
    ends = potential(np.array([2 * a, a, 1.0, 1.0 / particles]), kind, beta)
    margin, span = ends[0] - ends[1], ends[2] - ends[3]

    def scale(V: Vector, standard_error: Vector, tau: float, K: Matrix) -> Strength:
        w = threshold(V[0] - V[1:], standard_error[1:], confidence, min_lead) / margin
        return Strength(w, mobility / (w * span * degree))

    return scale


def auto(
    *, particles: int, kind: str, beta: float, boundary: float, min_lead: float, mobility: float
) -> Scale:
    """Choose w such that the stop rule is a test, and kappa such that its first step is gentle.

    w is such that the equilibrium of the flow has f_max >= 2 f_0 if, and only if, the best child
    leads the centre by D (function `threshold`), whatever the other children lose. As the average
    grows longer the errors shrink, w shrinks with them, and smaller leads decide.

    In the first step a part `mobility` of the particles leaves the centre, whatever w and V are.
    Where hardly any child is attractive, it is counted as if one child were as good as the centre.
    The flow then relaxes in some 10 steps.

    Args:
        particles: N.
        kind: the form of U', as in `flow.potential`; not `none`.
        beta: exponent of the power potential.
        boundary: D in standard errors, for instance from the function `boundary`.
        min_lead: the smallest D, nats.
        mobility: part of the particles of the centre that leave in the first step.
    """
    ends = potential(np.array([1.0, 1.0 / particles]), kind, beta)
    span = float(ends[0] - ends[1])

    def scale(V: Vector, standard_error: Vector, tau: float, K: Matrix) -> Strength:
        live = K[1:].any(1)
        lead = np.where(live, V[0] - V[1:], -np.inf)
        D = threshold(lead[live], standard_error[1:][live], boundary, min_lead)
        ghost = 1.0 / (particles + len(lead))
        w = D / math.log(2.0) if kind == "log" else power_weight(lead, D, beta=beta, ghost=ghost)
        rates = np.maximum(w * span + lead, 0.0) * K[0, 1:]
        spokes = K[0, 1:][K[0, 1:] > 0.0]
        least = w * span * float(spokes.min() if len(spokes) else 1.0)
        out, largest = float(rates.sum()), float(rates.max(initial=0.0))
        return Strength(w, mobility / max(out, least), out / largest if largest else 1.0)

    return scale


def threshold(lead: Vector, standard_error: Vector, boundary: float, min_lead: float) -> float:
    """Return the lead D that decides, nats: `boundary` standard errors, and at least `min_lead`.

    The error is the largest one among the children that lead the centre, and among all children
    where none leads. One w serves all nodes, so that every leader is tested by the same D: with
    the error of the best child alone, a leader with a smaller error could win while a noisier
    leader, which may be better, is still undecided.

    `min_lead` bounds D from below: a child that is nearly the same network has errors near zero and
    would win by nothing.

    Args:
        lead: how much lower the loss of each child is than that of the centre, nats (m - 1,).
        standard_error: the standard errors of these leads, nats (m - 1,).
        boundary: D in standard errors.
        min_lead: the smallest D, nats.
    """
    leading = standard_error[lead > 0.0]
    errors = leading if len(leading) else standard_error
    return max(boundary * float(errors.max(initial=0.0)), min_lead, LEAST)


def power_weight(lead: Vector, D: float, *, beta: float, ghost: float = 0.0) -> float:
    """Return w with which a lead of D decides, for U' = f^beta and any losses of the siblings.

    In equilibrium f_j = ((c - V_j)^+ / w)^(1 / beta). If the best child leads by L, f_max = 2 f_0
    holds at c - V_0 = L / (2^beta - 1). Then S = sum_j ((c - V_j)^+ / (c - V_0))^(1 / beta), over
    all nodes, is 1 / f_0, and the equilibrium with f_max = 2 f_0 has w = S^beta L / (2^beta - 1).
    A larger w lowers f_max / f_0. So w = S^beta D / (2^beta - 1) ends the round for L >= D only.

    Where L < D, S is taken at L = D: it is larger there, so that the round does not end, and w is
    a continuous function of the losses also where the lead passes 0. Without this, w would jump
    between 3^beta and (2m - 1)^beta times D / (2^beta - 1) in the first steps, whose leads are
    noise.

    A child without particles still has its ghost, which counts in the shares.

    Args:
        lead: V_0 - V_j of each child, nats (m - 1,); -inf for a child that is out of the round.
        D: the lead that decides, nats.
        beta: exponent of the power potential.
        ghost: the share that a single particle has.
    """
    base = max(float(lead.max()), D) / (2.0**beta - 1.0)  # c - V_0
    ratio = np.maximum(1.0 + lead / base, 0.0) ** (1.0 / beta)  # f_j / f_0
    S, empty = 1.0 + float(ratio.sum()), -1
    while (below := ratio <= ghost * S).sum() != empty:  # only more nodes can follow
        empty = int(below.sum())
        S = (1.0 + float(ratio[~below].sum())) / (1.0 - ghost * empty)
    return float(S**beta * D / (2.0**beta - 1.0))


def boundary(
    confidence: float, *, window: int, warmup_steps: int, burn_in: int, max_steps: int
) -> float:
    """Return the standard errors by which a child must lead at any of the steps of a round.

    Chance has a new opportunity whenever the running average has forgotten its past. Let Z_k be the
    average of independent differences after k steps, in its standard errors. Then Z_k correlates
    with Z_(k+1) like an Ornstein-Uhlenbeck process over the time -log(1 - 1 / window)
    + log(S_(k+1) / S_k) / 2, S_k = 1 - (1 - 1 / window)^(2k). Summed over a round this is `looks`.
    Such a process exceeds a high z with probability P(Z > z) + looks z phi(z), where phi is the
    normal density. The boundary z solves (1 + looks) phi(z) = phi(confidence), so that longer
    rounds and shorter windows do not raise the risk of a round (docs/theory.md has the measured
    ones). The number of children hardly changes the risk, because equal children share the
    particles.

    Args:
        confidence: the standard errors for a single look at a single child.
        window: length of the averages, steps.
        warmup_steps: steps of a round before particles move.
        burn_in: steps after which the averages begin anew.
        max_steps: steps of a round, at most.
    """
    first = max(warmup_steps - burn_in, 1)
    last = max(max_steps - burn_in, first)
    if window == 1:
        looks = float(last - first)
    else:
        keep = math.log1p(-1.0 / window)
        mass = math.expm1(2.0 * last * keep) / math.expm1(2.0 * first * keep)
        looks = min((first - last) * keep + 0.5 * math.log(mass), float(last - first))
    return math.sqrt(confidence**2 + 2.0 * math.log1p(looks))


def damping(mobility: float, time_step: float, neighbours: float = math.inf) -> float:
    """Return NASAGD's unit of friction: sqrt(mobility) (1 + 1 / neighbours) per step of phi.

    Without the bracket gamma is sqrt(w span degree), whatever the mobility. The stop rule tests the
    equilibrium, so the particles must not run through it: without friction they empty the centre,
    and a child wins by chance. All of 60 rounds among nine equal nodes ended, after 4 steps. In
    this unit 0.8 is too little and 1 is enough for nine nodes and more.

    With few nodes to go to, the first step alone brings the particles to the equilibrium, and any
    momentum carries them beyond it. With two children, 0.6 of the lead that should decide ended
    rounds, and with `auto` this happened also among nine nodes of which seven trail far. The
    bracket removes it: a lead of 0.95 ended none of 20 rounds with 2 to 9 nodes, whose other
    children were equal to the centre or trailed by 0.4 to 20 times the lead that decides. A
    product of friction and time step of 1 turns NASAGD into NASGD, and two nodes or three reach it.

    Args:
        mobility: part of the particles of the centre that leave in the first step.
        time_step: the time step of phi.
        neighbours: to how many nodes particles leave the centre in a first step.
    """
    return math.sqrt(mobility) * (1.0 + 1.0 / neighbours) / time_step
