"""The paper's formulas as naive loops: the slow twins of fast code."""

from __future__ import annotations

import numpy as np


def descent(E: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Rates of section 2.1, edge by edge."""
    m = len(E)
    return np.array([[max(E[i] - E[j], 0.0) * K[i, j] for j in range(m)] for i in range(m)])


def climb(phi: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Rates of section 2.2, edge by edge."""
    m = len(phi)
    return np.array([[max(phi[j] - phi[i], 0.0) * K[i, j] for j in range(m)] for i in range(m)])


def particle_by_particle(
    rng: np.random.Generator, n: np.ndarray, Q: np.ndarray, kappa_tau: float
) -> np.ndarray:
    """Appendix D.1, step 2, particle by particle."""
    after = n.copy()
    for i in range(len(n)):
        total = sum(Q[i])
        for particle in range(int(n[i])):
            if i > 0 and particle == 0:
                continue  # the ghost
            if rng.random() < min(1.0, kappa_tau * total):
                j = rng.choice(len(n), p=Q[i] / total)
                after[i] -= 1
                after[j] += 1
    return after


def dissipation(f: np.ndarray, E: np.ndarray, K: np.ndarray) -> float:
    """sum_ij K_ij f_i ([E_i - E_j]^+)^2: how fast the free energy falls."""
    m = len(f)
    return sum(K[i, j] * f[i] * max(E[i] - E[j], 0.0) ** 2 for i in range(m) for j in range(m))


def equilibrium(V: np.ndarray, kind: str, beta: float, weight: float = 1.0) -> np.ndarray:
    """exp(-V / w) / Z for log; ((c - V)_+ / w)^(1 / beta) with sum 1, c by bisection, for power."""
    if kind == "log":
        share = np.exp(-V / weight)
        return share / share.sum()
    low, high = V.min(), V.max() + weight
    for _ in range(100):
        c = (low + high) / 2
        full = (np.maximum(c - V, 0.0) / weight) ** (1 / beta)
        low, high = (c, high) if full.sum() < 1 else (low, c)
    return full
