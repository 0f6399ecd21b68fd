"""The runs of a comparison, made up, and the experiment that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse


def an_experiment(**sections: Any) -> Experiment:
    raw = {"seeds": [0, 1, 2], "budget": {"rounds": 1}, **sections}
    parsed: Experiment = parse(Experiment, raw)
    return parsed


TOTAL = {"epochs": None, "total_seconds": 10.0}


def runs_of(methods: list[str], seconds: float = 10.0) -> pd.DataFrame:
    """Make up the runs of some methods. The first has errors of 1, 2 and 3 %, and each further
    method has one point more. The later methods take longer."""
    return pd.DataFrame(
        [
            {
                "method": name,
                "seed": seed,
                "test_error": 0.01 * (1 + seed + place),
                "test_accuracy": 1.0 - 0.01 * (1 + seed + place),
                "validation_accuracy": 0.9,
                "parameters": 1000,
                "rounds": 2,
                "recentred": 1,
                "architectures_per_hour": [400.0, 10.0, np.nan][place % 3],
                "seconds_search": 5.0,
                "seconds_total": 10.0 + place * (seconds - 10.0),
                "epochs_total": 100.0,
            }
            for place, name in enumerate(methods)
            for seed in range(3)
        ]
    )
