"""How fast some tensors learn, relative to the step size: the rates of `airbench`.

In most networks all tensors take the step size as it is. A network whose head reads the maximum of
each map, such as `airbench`, learns much more with the rates of airbench94 (Jordan 2024,
arXiv 2404.00498; docs/recipe.md has the measurements):

- The weights of the head learn slowly. Maxima are large, and there are n of them, so that one step
  changes the logits about n times as much as with a single feature; the step size of such a layer
  must fall with n (Yang et al. 2021, arXiv 2203.03466). airbench94 divides its logits by n. That is
  the same as weights that begin n times as small (`network.initialise`), and a step size that is
  n^2 times as small.
- The shifts of BatchNorm learn fast, and its scales not at all.
"""

from __future__ import annotations

from nasflow.architecture.architecture import Architecture

# The weights of a head that reads n maxima learn at PEAKS / n^2 of the step size, and at most at
# all of it. airbench94 has about 1000, with 128 images per step. That is too slow where there are
# few steps and many classes (docs/recipe.md).
PEAKS = 2500.0
SHIFTS = 64.0  # the shifts of BatchNorm; the factor of airbench94
SCALES = 0.0


def rates(g: Architecture) -> dict[str, float]:
    """Return the factors by which the gradients of a network are multiplied.

    Args:
        g: its architecture.

    Returns:
        The factor of each tensor, by its name; nothing where all are 1.
    """
    if g.head.op != "peak_head":
        return {}
    head = f"{g.head.id}.weight"
    of = {"shift": SHIFTS, "scale": SCALES}
    found = {name: of.get(name.split(".")[1], 1.0) for name in g.tensors}
    return found | {head: min(1.0, PEAKS / g.tensors[head][1] ** 2)}
