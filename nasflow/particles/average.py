"""Running averages of the siblings' validation losses and of their paired differences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nasflow.particles.flow import Vector

MOST = 0.95  # the largest correlation that counts


class Average:
    """Exponential averages of losses over `window` steps, corrected for their start.

    `V` holds the averages of the losses. `standard_error` holds the errors of V_i - V_0: they come
    from the weighted variance of the differences d_i = V_k,i - V_k,0 in each step, and from the
    effective number of steps, 1 / sum of the squared weights. With paired batches d_i is small
    although the losses themselves are noisy.

    Differences of successive steps correlate by rho, up to 0.4 on CIFAR-10, since networks move
    little in a step. The error is therefore that of a first-order autoregression, which is wider by
    sqrt((1 + rho) / (1 - rho)). rho is measured too, and counts where it is positive.

    After `burn_in` steps the averages begin anew: what a morphism disturbs at first would otherwise
    stay in the mean, and in its error, for longer than the disturbance lasts.

    Args:
        m: number of siblings.
        window: length of the averages, steps.
        burn_in: steps after which the averages begin anew; 0 for never.
    """

    def __init__(self, m: int, window: int, burn_in: int = 0) -> None:
        self._keep, self._burn_in, self._steps = 1.0 - 1.0 / window, burn_in, 0
        self._forget(m)

    def _forget(self, m: int) -> None:
        self._loss, self._difference, self._square = np.zeros(m), np.zeros(m), np.zeros(m)
        self._product, self._last = np.zeros(m), np.zeros(m)
        self._mass = self._mass_square = self._mass_product = 0.0

    def update(self, losses: Vector) -> None:
        """Add the validation losses of one step, (m,), nats."""
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

    def hasten(self) -> None:
        """Let the averages begin anew with the next step, unless `burn_in` steps are over."""
        self._burn_in = min(self._burn_in, self._steps)

    def state(self) -> dict[str, np.ndarray]:
        """Return all that the averages consist of, for `restore`."""
        return {name: np.array(value) for name, value in vars(self).items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` returned."""
        vars(self).update({name: a if a.ndim else a.item() for name, a in state.items()})

    @property
    def V(self) -> Vector:
        """The averages of the losses, (m,), nats."""
        return self._loss / self._mass

    @property
    def standard_error(self) -> Vector:
        """The standard errors of V_i - V_0, (m,), nats; zeros after a single step."""
        mean, square = self._difference / self._mass, self._square / self._mass
        squares = self._mass_square / self._mass**2  # sum of the squared weights
        if squares > 1.0 - 1e-9:  # a single step has no spread, and rounding must not look like one
            return np.zeros_like(mean)
        spread = np.maximum(square - mean * mean, 0.0)
        variance = spread / (1.0 - squares)
        return np.asarray(np.sqrt(variance * squares * self._memory(mean, spread)))

    def _memory(self, mean: Vector, spread: Vector) -> Vector:
        """Return (1 + rho) / (1 - rho), (m,): 1 where successive differences are independent."""
        if self._mass_product == 0.0:
            return np.ones_like(mean)
        covariance = self._product / self._mass_product - mean * mean
        rho = np.clip(covariance / np.maximum(spread, 1e-30), 0.0, MOST)
        memory: Vector = (1.0 + rho) / (1.0 - rho)
        return memory
