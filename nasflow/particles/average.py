"""Running averages of the siblings' validation losses and of their paired differences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasflow.particles.flow import Vector

MOST = 0.95  # the largest correlation that is believed


class Average:
    """Bias-corrected exponential averages over `window` steps.

    V (m,): the losses. `standard_error` (m,): of V_i - V_0, from the weighted variance of the
    per-step differences d_i = V_k,i - V_k,0 and the effective number of steps 1 / sum w^2. With
    paired batches d_i is small although the losses themselves are noisy.

    Differences of successive steps correlate by rho, up to 0.4 on CIFAR-10, since networks move
    little in a step; the error is that of a first-order autoregression, wider by
    sqrt((1 + rho) / (1 - rho)). rho is measured too, and counts where it is positive.

    After `burn_in` steps they begin anew: what a morphism disturbs at first would otherwise stay
    in the mean, and in its error, for longer than the disturbance lasts."""

    def __init__(self, m: int, window: int, burn_in: int = 0) -> None:
        self._keep, self._burn_in, self._steps = 1.0 - 1.0 / window, burn_in, 0
        self._forget(m)

    def _forget(self, m: int) -> None:
        self._loss, self._difference, self._square = np.zeros(m), np.zeros(m), np.zeros(m)
        self._product, self._last = np.zeros(m), np.zeros(m)
        self._mass = self._mass_square = self._mass_product = 0.0

    def update(self, losses: Vector) -> None:
        """One step's validation losses, (m,)."""
        if self._burn_in and self._steps == self._burn_in:
            self._forget(len(losses))
        self._steps += 1
        a, b = self._keep, 1.0 - self._keep
        d = losses - losses[0]
        self._loss = a * self._loss + b * losses
        self._difference = a * self._difference + b * d
        self._square = a * self._square + b * d * d
        if self._mass > 0.0:
            self._product = a * self._product + b * d * self._last
            self._mass_product = a * self._mass_product + b
        self._last = d
        self._mass = a * self._mass + b
        self._mass_square = a * a * self._mass_square + b * b

    def state(self) -> dict[str, np.ndarray]:
        """All of it, for `restore`."""
        return {name: np.array(value) for name, value in vars(self).items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        vars(self).update({name: a if a.ndim else a.item() for name, a in state.items()})

    @property
    def V(self) -> Vector:
        return self._loss / self._mass

    @property
    def standard_error(self) -> Vector:
        mean, square = self._difference / self._mass, self._square / self._mass
        share = self._mass_square / self._mass**2  # sum of squared weights
        if share > 1.0 - 1e-9:  # one step has no spread; rounding would pass for one
            return np.zeros_like(mean)
        spread = np.maximum(square - mean * mean, 0.0)
        variance = spread / (1.0 - share)
        return np.asarray(np.sqrt(variance * share * self._memory(mean, spread)))

    def _memory(self, mean: Vector, spread: Vector) -> Vector:
        """(1 + rho) / (1 - rho), (m,): 1 where differences are independent from step to step."""
        if self._mass_product == 0.0:
            return np.ones_like(mean)
        covariance = self._product / self._mass_product - mean * mean
        rho = np.clip(covariance / np.maximum(spread, 1e-30), 0.0, MOST)
        memory: Vector = (1.0 + rho) / (1.0 - rho)
        return memory
