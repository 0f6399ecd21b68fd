"""Running a message of ONNX by onnxruntime on one core, and measuring how long an image takes."""

from __future__ import annotations

import statistics
import time

import onnxruntime
import torch
from onnx import ModelProto
from torch import Tensor

from nasflow.deployment.onnx_model import INPUT

BATCH = 250  # images that are computed at once
BLOCKS, BLOCK_SECONDS = 7, 0.02  # measured blocks of runs, and the least length of each


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
        """Measure the latency: the median over blocks of runs with a single image.

        Args:
            image: (1, channels, height, width).

        Returns:
            Milliseconds for one image on one core.
        """
        feed, session = {INPUT: image.numpy()}, self._session
        took = _seconds(lambda: session.run(None, feed))  # the first runs allocate
        runs = max(1, round(BLOCK_SECONDS / max(took, 1e-7)))
        blocks = []
        for _ in range(BLOCKS):
            began = time.perf_counter()
            for _ in range(runs):
                session.run(None, feed)
            blocks.append((time.perf_counter() - began) / runs)
        return 1e3 * statistics.median(blocks)

    def _run(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._session.run(None, {INPUT: images.numpy()})[0])


def _seconds(run: object) -> float:
    """Return the shortest of a few runs."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        run()  # type: ignore[operator]
        times.append(time.perf_counter() - began)
    return min(times)
