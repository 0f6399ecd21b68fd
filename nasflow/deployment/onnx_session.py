"""Running a message of ONNX by onnxruntime on one core, and measuring how long an image takes."""

from __future__ import annotations

from collections.abc import Callable

import onnxruntime
import torch
from onnx import ModelProto
from torch import Tensor

from nasflow.deployment.onnx_model import INPUT
from nasflow.deployment.stopwatch import PASSES, block_seconds

BATCH = 64  # images that are computed at once


def single_threaded(model: ModelProto) -> onnxruntime.InferenceSession:
    """Load a network into onnxruntime, on one core.

    Args:
        model: the network.

    Returns:
        The session of onnxruntime.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class OnnxSession:
    """A network in onnxruntime, on one core.

    Args:
        model: the network, as `onnx_model` writes it.
    """

    def __init__(self, model: ModelProto) -> None:
        self._session = single_threaded(model)

    def __call__(self, images: Tensor) -> Tensor:
        """Compute the output of images.

        Args:
            images: (n, channels, height, width), of the type that the network takes.

        Returns:
            Probabilities or logits, float32 (n, classes).
        """
        parts = [self._run(part) for part in torch.split(images, BATCH)]
        return torch.cat(parts)

    def milliseconds(self, image: Tensor) -> float:
        """Measure how long one image takes on one core (module `stopwatch`).

        Args:
            image: (1, channels, height, width).
        """
        run = self.runner(image)
        return 1e3 * min(block_seconds(run) for _ in range(PASSES))

    def runner(self, image: Tensor) -> Callable[[], object]:
        """Return a function that computes the output of one image, for a measurement.

        Args:
            image: (1, channels, height, width).
        """
        feed, session = {INPUT: image.numpy()}, self._session
        return lambda: session.run(None, feed)

    def _run(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._session.run(None, {INPUT: images.numpy()})[0])
