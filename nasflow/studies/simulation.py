"""Simulated rounds: losses of siblings, of which one is truly better, under the shipped stop rule.

    V_i(k) = c(k) - gap_i g(k) + own e_i(k) + residual g(k) r_i(k),   g(k) = min(1, k / grow)

V_i(k) is the validation loss of node i at step k. Node 0 is g_r, the centre; node 1 is the best
child, better by `gap` nats; all others equal g_r. Children compute the same function as g_r at
first, so that what training changes grows from 0: the gap and, with paired batches, the noise of
the differences (`residual`). With paired batches the noise of a batch is `common` to all siblings
and cancels in the differences; without pairing each sibling has its `own`. No network is trained
and no file is read.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nasflow.config.kinds import Graph
from nasflow.config.search import Search
from nasflow.particles import flow, particles
from nasflow.particles.average import Average
from nasflow.particles.flow import Matrix, Vector
from nasflow.randomness import generator

BATCH = 0.25  # nats, standard deviation over batches of 32; on CIFAR-10 it measured 0.22 to 0.29
RESIDUAL = 0.06  # nats for each sibling; the difference of two paired ones has sqrt(2) times this


class Model(NamedTuple):
    """The losses of a simulated round; all but the last two attributes are in nats.

    Attributes:
        gap: how much lower the loss of the best child is.
        common: standard deviation of the noise c(k), which all siblings have in common.
        own: standard deviation of each sibling's own noise.
        residual: standard deviation of each sibling's noise that grows with g(k).
        grow: steps over which g(k) grows from 0 to 1; with 0, g(k) is 1.
        memory: correlation of r_i from one step to the next.
    """

    gap: float
    common: float
    own: float
    residual: float
    grow: float = 0.0
    memory: float = 0.0


class Outcome(NamedTuple):
    """What came out of several rounds.

    Attributes:
        rounds: the number of rounds.
        ended: the fraction of the rounds that ended with a winner.
        right: the fraction of these whose winner is the best child, NaN if there are none.
        error: the standard error of `right`.
        steps: the median number of steps of the rounds that ended.
    """

    rounds: int
    ended: float
    right: float
    error: float
    steps: float


def paired(gap: float, *, grow: float = 0.0, residual: float = RESIDUAL) -> Model:
    """Return the model of a round in which all siblings see the same batches; gap in nats."""
    return Model(gap, BATCH, 0.0, residual, grow)


def independent(gap: float, *, grow: float = 0.0) -> Model:
    """Return the model of a round in which each sibling has its own batches, as in the paper."""
    return Model(gap, 0.0, BATCH, 0.0, grow)


def growth(model: Model, steps: int) -> Vector:
    """Return g(k) for the steps k = 1 .. `steps`, (steps,)."""
    k = np.arange(1.0, steps + 1)
    return np.minimum(1.0, k / model.grow) if model.grow else np.ones(steps)


def losses(rng: np.random.Generator, model: Model, m: int, steps: int) -> Matrix:
    """Draw V_i(k) of `m` siblings, up to a constant.

    Returns:
        Losses in nats (steps, m).
    """
    g = growth(model, steps)[:, None]  # (steps, 1)
    better = np.zeros(m)
    better[1] = model.gap
    r = rng.standard_normal((steps, m))
    for k in range(1, steps if model.memory else 0):
        r[k] = model.memory * r[k - 1] + math.sqrt(1.0 - model.memory**2) * r[k]
    c = model.common * rng.standard_normal((steps, 1))
    own = model.own * rng.standard_normal((steps, m))
    return np.asarray(c - better * g + own + model.residual * g * r)


def play(
    rng: np.random.Generator, V: Matrix, tau: Vector, algorithm: str, search: Search
) -> tuple[int | None, int]:
    """Let the particles choose a winner on given losses.

    Args:
        rng: the random generator of the particles.
        V: losses in nats (steps, m), g_r first.
        tau: the step size at each step (steps,).
        algorithm: `nasgd` or `nasagd`.
        search: the options of the section `search`.

    Returns:
        The winner's node and the number of steps until it won; None and the number of all steps
        where no child won.
    """
    m = V.shape[1]
    K = flow.graph(np.ones(m - 1), 1.0 if search.graph == Graph.COMPLETE else 0.0)
    average = Average(m, search.window, search.burn_in)
    rules = particles.rules(algorithm, K, search)
    state = particles.start(rules)
    for k in range(len(V)):
        average.update(V[k])
        still, error = k < search.warmup_steps, average.standard_error
        state, _ = particles.step(rng, state, average.V, error, tau[k], rules, still=still)
        winner = flow.winner(state.counts)
        if winner is not None:
            return winner, k + 1
    return None, len(V)


def simulate(
    model: Model, algorithm: str, search: Search, *, rounds: int, seed: int = 0
) -> Outcome:
    """Simulate rounds of at most max_steps steps at the constant step size lambda_start.

    Args:
        model: the losses.
        algorithm: `nasgd` or `nasagd`.
        search: the options of the section `search`.
        rounds: the number of rounds.
        seed: the seed of losses and particles.
    """
    m, steps = search.n_neigh + 1, search.max_steps
    tau = np.full(steps, search.lambda_start)
    ends = []
    for number in range(rounds):
        V = losses(generator("simulated losses", seed, number), model, m, steps)
        rng = generator("simulated particles", seed, number)
        ends.append(play(rng, V, tau, algorithm, search))
    return outcome([(winner, winner == 1, steps) for winner, steps in ends])


def outcome(ends: list[tuple[int | None, bool, int]]) -> Outcome:
    """Summarise rounds; each is (winner or None, whether it is the best child, steps)."""
    right = [best for winner, best, _ in ends if winner is not None]
    steps = [steps for winner, _, steps in ends if winner is not None]
    if not right:
        return Outcome(len(ends), 0.0, math.nan, math.nan, math.nan)
    p, n = float(np.mean(right)), len(right)
    error = math.sqrt((n * p + 1) * (n - n * p + 1) / (n + 2) ** 3)  # not 0 at p = 0 or 1
    return Outcome(len(ends), n / len(ends), p, error, float(np.median(steps)))


def limit(model: Model, children: int, steps: int) -> float:
    """Return the probability of the right choice that no rule of a fixed length exceeds.

    It is P(the best child has the lowest weighted mean loss after `steps` steps). By Neyman and
    Pearson no rule that takes all these steps is better, if all children are alike beforehand. A
    step has the weight g / sigma^2. Then the best child leads by d = gap sqrt(sum g^2 / sigma^2)
    standard deviations, and P = int phi(z - d) Phi(z)^(children - 1) dz. Exact for memory = 0.

    Args:
        model: the losses.
        children: the number of children, without g_r.
        steps: the number of steps that every round takes.
    """
    g = growth(model, steps)
    variance = model.own**2 + (model.residual * g) ** 2
    d = model.gap * math.sqrt(float((g**2 / variance).sum()))
    z = np.linspace(-8.0, 8.0 + d, 4001)
    below = 0.5 * (1.0 + np.vectorize(math.erf)(z / math.sqrt(2.0)))
    density = np.exp(-0.5 * (z - d) ** 2) / math.sqrt(2.0 * math.pi)
    return float((density * below ** (children - 1)).sum() * (z[1] - z[0]))


def sequential_limit(
    model: Model, children: int, *, right: float, rounds: int, longest: int, seed: int = 0
) -> float:
    """Simulate the mean number of steps of the sequential test that knows the model.

    The test stops as soon as the posterior probability of one child reaches `right`. It is a
    multihypothesis SPRT (sequential probability ratio test), which is optimal but for the
    overshoot. Exact for memory = 0.

    Args:
        model: the losses.
        children: the number of children, without g_r.
        right: the posterior probability at which the test stops.
        rounds: the number of simulated rounds.
        longest: the number of steps after which a round ends in any case.
        seed: the seed of the losses.
    """
    g = growth(model, longest)
    weight = model.gap * g / (model.own**2 + (model.residual * g) ** 2)  # (longest,)
    steps = []
    for number in range(rounds):
        rng = generator("sequential losses", seed, number)
        V = losses(rng, model, children + 1, longest)[:, 1:]
        evidence = np.cumsum(weight[:, None] * (V.mean(1, keepdims=True) - V), axis=0)
        odds = np.exp(evidence - evidence.max(1, keepdims=True))
        sure = odds.max(1) / odds.sum(1) >= right
        steps.append(int(np.argmax(sure)) + 1 if sure.any() else longest)
    return float(np.mean(steps))
