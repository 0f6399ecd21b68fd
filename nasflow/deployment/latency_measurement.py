"""How long networks take for one image on one core, through onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from nasflow.config.kinds import Stored
from nasflow.deployment.deployable import Deployable
from nasflow.deployment.int8 import quantised
from nasflow.deployment.onnx_model import onnx_model
from nasflow.deployment.onnx_session import OnnxSession
from nasflow.deployment.stopwatch import PASSES, block_seconds
from nasflow.network.network import Network

CALIBRATION = 8  # random images; what they show changes no time


def measured(drawn: Sequence[Network], precision: Stored) -> npt.NDArray[np.float64]:
    """Measure networks, one block of runs of each in turn.

    So a disturbance of a second meets each of them once.

    Args:
        drawn: the networks.
        precision: the number format in which they run.

    Returns:
        Milliseconds for one image, (n,).
    """
    runs = [runner(network, precision) for network in drawn]
    times = np.array([[block_seconds(run) for run in runs] for _ in range(PASSES)])
    least: npt.NDArray[np.float64] = 1e3 * times.min(0)
    return least


def runner(network: Network, precision: Stored) -> Callable[[], object]:
    """Return a function that runs a network once, for one random image.

    Args:
        network: the network.
        precision: the number format in which it runs.
    """
    module = Deployable(network, _facts(network))
    model = onnx_model(module)
    if precision == Stored.INT8:
        model = quantised(model, module.example(CALIBRATION))
    return OnnxSession(model).runner(module.example(1))


def _facts(network: Network) -> dict[str, object]:
    """Return facts about images that a network takes; their values change no time."""
    g = network.architecture
    channels, height, width = g.shapes[g.image.id]
    names = list(map(str, range(g.head.width)))
    moments = {"mean": [0.5] * channels, "std": [0.25] * channels}
    return {"channels": channels, "height": height, "width": width, "classes": names, **moments}
