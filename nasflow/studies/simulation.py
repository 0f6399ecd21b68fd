"""Simulated rounds: losses of siblings of which one is truly better, and the shipped stop rule.

    V_i(k) = c(k) - gap_i g(k) + own e_i(k) + residual g(k) r_i(k),   g(k) = min(1, k / grow)

Node 0 is g_r, node 1 the best child, by `gap` nats; the others equal g_r. Children preserve the
function, so that what training changes grows from 0: the gap and, with paired batches, the noise of
the differences, `residual`. Noise of the batch is `common` to paired siblings and cancels; without
pairing it is each sibling's `own`. No networks, no files.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from nasflow.particles import flow
from nasflow.particles.average import Average
from nasflow.particles.flow import Matrix, Vector
from nasflow.particles.particles import Particles
from nasflow.randomness import generator

BATCH = 0.25  # nats, sd over batches of 32; measured on CIFAR-10 0.22 to 0.29
RESIDUAL = 0.06  # nats: paired differences of two siblings have sqrt(2) times as much


class Model(NamedTuple):
    """Standard deviations and the gap in nats, `grow` in steps (0: constant); `memory` is the
    correlation of r_i from one step to the next."""

    gap: float
    common: float
    own: float
    residual: float
    grow: float = 0.0
    memory: float = 0.0


class Outcome(NamedTuple):
    """Of `rounds` rounds: the share that ended, the share of those whose winner is the best child
    with its standard error, and the median number of steps of those that ended."""

    rounds: int
    ended: float
    right: float
    error: float
    steps: float


def paired(gap: float, *, grow: float = 0.0, residual: float = RESIDUAL) -> Model:
    """All siblings see the same batches."""
    return Model(gap, BATCH, 0.0, residual, grow)


def independent(gap: float, *, grow: float = 0.0) -> Model:
    """Every sibling sees its own batches, as in the paper."""
    return Model(gap, 0.0, BATCH, 0.0, grow)


def growth(model: Model, steps: int) -> Vector:
    """g(k) of steps 1 .. `steps`."""
    k = np.arange(1.0, steps + 1)
    return np.minimum(1.0, k / model.grow) if model.grow else np.ones(steps)


def losses(rng: np.random.Generator, model: Model, m: int, steps: int) -> Matrix:
    """V_i(k), (steps, m), but for a constant."""
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
    rng: np.random.Generator, V: Matrix, tau: Vector, algorithm: str, search: dict[str, Any]
) -> tuple[int | None, int]:
    """The winner that the particles choose on losses (steps, m) at clocks tau (steps,), and the
    step at which they do; None and all steps where they choose none."""
    m = V.shape[1]
    K = flow.graph(np.ones(m - 1), 1.0 if search["graph"] == "complete" else 0.0)
    average = Average(m, search["window"], search["burn_in"])
    particles = Particles(algorithm, K, search)
    for k in range(len(V)):
        average.update(V[k])
        particles.step(
            rng, average.V, average.standard_error, tau[k], still=k < search["warmup_steps"]
        )
        if particles.winner is not None:
            return particles.winner, k + 1
    return None, len(V)


def simulate(
    model: Model, algorithm: str, search: dict[str, Any], *, rounds: int, seed: int = 0
) -> Outcome:
    """Rounds of search["max_steps"] steps at most, at the constant clock lambda_start."""
    m, steps = search["n_neigh"] + 1, search["max_steps"]
    tau = np.full(steps, search["lambda_start"])
    ends = []
    for number in range(rounds):
        V = losses(generator("simulated losses", seed, number), model, m, steps)
        rng = generator("simulated particles", seed, number)
        ends.append(play(rng, V, tau, algorithm, search))
    return outcome([(winner, winner == 1, steps) for winner, steps in ends])


def outcome(ends: list[tuple[int | None, bool, int]]) -> Outcome:
    """From (winner, whether it is the best child, steps) of every round."""
    right = [best for winner, best, _ in ends if winner is not None]
    steps = [steps for winner, _, steps in ends if winner is not None]
    if not right:
        return Outcome(len(ends), 0.0, math.nan, math.nan, math.nan)
    p, n = float(np.mean(right)), len(right)
    error = math.sqrt((n * p + 1) * (n - n * p + 1) / (n + 2) ** 3)  # not 0 at p = 0 or 1
    return Outcome(len(ends), n / len(ends), p, error, float(np.median(steps)))


def limit(model: Model, children: int, steps: int) -> float:
    """P(the best child has the lowest weighted mean loss after `steps` steps): what no rule of
    that fixed length exceeds, by Neyman and Pearson, among children alike a priori.

    With weights g / sigma^2 of a step the best leads by d = gap sqrt(sum g^2 / sigma^2) standard
    deviations, and P = int phi(z - d) Phi(z)^(children - 1) dz. Exact for memory = 0."""
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
    """Mean steps of the sequential test that knows the model and stops as soon as one child's
    posterior reaches `right` (a multihypothesis SPRT, optimal but for the overshoot). Exact for
    memory = 0."""
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
