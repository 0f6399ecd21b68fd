"""Networks are timed through onnxruntime, by the seconds of the processor."""

from __future__ import annotations

import time

import numpy as np
import pytest

from nasflow.architecture.templates import stack
from nasflow.config.kinds import Stored
from nasflow.network.network import initialise

pytest.importorskip("onnxruntime")

from nasflow.deployment.latency_measurement import block_seconds, measured


@pytest.mark.parametrize("precision", list(Stored))
def test_a_network_with_a_hundred_times_the_work_takes_longer(precision: Stored) -> None:
    rng = np.random.default_rng(0)
    small, large = (
        initialise(stack((width, "P", width), (1, 16, 16), 5), rng) for width in (4, 128)
    )
    first, second = measured([small, large], precision)
    assert 0.0 < 2.0 * first < second < 100.0


def test_time_in_which_others_have_the_core_does_not_count() -> None:
    assert block_seconds(lambda: time.sleep(0.002), least=1e-4) < 0.001
