"""Figures are the same bytes for the same curves."""

from __future__ import annotations

import numpy as np
from compared import runs_of

from nasflow.comparison import figures
from nasflow.comparison.anytime import Curve


def test_figures_are_the_same_bytes_for_the_same_curves() -> None:
    curve = Curve(np.array([1.0, 5.0]), np.array([2.0, 9.0]), np.array([0.5, 0.7]))
    one, two = (figures.anytime({"nasgd": [curve, curve]}) for _ in range(2))
    assert one == two
    assert one[:4] == b"\x89PNG"
    assert figures.errors(runs_of(["nasgd", "nash"]))[:4] == b"\x89PNG"
