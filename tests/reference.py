"""The paper's formulas as naive loops: the slow twins of fast code."""

from __future__ import annotations

import numpy as np


def particle_by_particle(
    rng: np.random.Generator, n: np.ndarray, E: np.ndarray, K: np.ndarray, kappa_tau: float
) -> np.ndarray:
    """Appendix D.1, step 2, a particle at a time (with section 2.1's sign)."""
    after = n.copy()
    for i in range(len(n)):
        rates = [max(E[i] - E[j], 0.0) * K[i, j] for j in range(len(n))]
        total = sum(rates)
        for particle in range(int(n[i])):
            if i > 0 and particle == 0:
                continue  # the ghost
            if rng.random() < min(1.0, kappa_tau * total):
                j = rng.choice(len(n), p=np.array(rates) / total)
                after[i] -= 1
                after[j] += 1
    return after
