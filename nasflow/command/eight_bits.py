"""The part of `nasflow export --int8` that quantises a network and measures what that costs.

Accuracy, size and latency are those of two files of ONNX, one in float32 and one in int8, which
differ in nothing else. Both are run by onnxruntime on one core.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from nasflow.command.terminal import percent, table
from nasflow.data.calibration import calibration, chosen
from nasflow.data.image_facts import image_facts, prepared_folder
from nasflow.printable import shown
from nasflow.storage.files import CorruptFile
from nasflow.storage.splits import read_facts, read_split
from nasflow.training.batches import Split

if TYPE_CHECKING:
    from onnx import ModelProto

PART = 256  # test images that are in memory as float32 at once
MAX_DROP = 1.0  # percentage points of accuracy that eight bits may cost
REMEDY = (
    "export in float32 (without --int8), train a wider network, or accept it with a larger "
    "--max-drop"
)


class Samples(NamedTuple):
    """The images of a quantisation.

    Attributes:
        calibration: training images by which the ranges of maps are found, uint8 (n, channels,
            height, width).
        tested: the images that the accuracy is measured on.
        name: what these are, `test` or `validation`.
    """

    calibration: Tensor
    tested: Split
    name: str


class Measured(NamedTuple):
    """What one file does.

    Attributes:
        accuracy: the part of the images whose most likely class is right.
        size: the bytes of the file.
        milliseconds: the latency of one image on one core, as `OnnxSession.milliseconds` measures.
    """

    accuracy: float
    size: int
    milliseconds: float


class EightBits(NamedTuple):
    """A network in int8 and what it costs.

    Attributes:
        model: the network in int8.
        float32: what the file in float32 does.
        int8: what the file in int8 does.
        samples: the images that it was quantised and measured on.
    """

    model: ModelProto
    float32: Measured
    int8: Measured
    samples: Samples

    @property
    def drop(self) -> float:
        """The accuracy that is lost, in percentage points; negative where it rose."""
        return 100.0 * (self.float32.accuracy - self.int8.accuracy)

    def table(self) -> Any:
        """The figures of both files as a table for people."""
        rows = [
            [name, percent(one.accuracy, 2), f"{one.size:,}", f"{one.milliseconds:.3f}"]
            for name, one in (("float32", self.float32), ("int8", self.int8))
        ]
        return table(["", " accuracy", " bytes", " ms per image"], rows)

    def note(self) -> str:
        """Say what the figures are, in one line."""
        import onnxruntime

        name, count = self.samples.name, len(self.samples.tested)
        return (
            f"nasflow: accuracy on {count:,} {name} images; calibrated on "
            f"{len(self.samples.calibration):,} training images; latency on one core, "
            f"onnxruntime {onnxruntime.__version__}"
        )


def samples_of(stem: Path, facts: dict[str, Any], data: Path | None) -> Samples:
    """Find the prepared images of a network.

    Args:
        stem: the stem of its checkpoint.
        facts: what is known about its images.
        data: the data.json that the user gave, or its folder.

    Returns:
        Training images, and the test images; validation images where test.safetensors is gone.

    Raises:
        ValueError: if the images are gone, or are not those of the network.
        CorruptFile: if they cannot be read.
    """
    folder = prepared_folder(stem, data)
    if folder is None:
        raise ValueError(
            f"--int8: {shown(str(stem))}: its prepared images (data/train.safetensors) are gone, "
            "which the scales of int8 come from; run Snakemake again, or give --data FOLDER"
        )
    if image_facts(read_facts(folder)) != facts:
        raise ValueError(
            f"--int8: {shown(str(folder))}: other images than those of the network (size, mean, "
            "std or classes differ); give the --data that it was trained on"
        )
    names = (name for name in ("test", "validation") if _there(folder, name))
    if (name := next(names, None)) is None:
        raise CorruptFile(f"{folder}: no test.safetensors to measure the accuracy; rerun prepare")
    return Samples(calibration(folder), read_split(folder, name, "cpu"), name)


def _there(folder: Path, name: str) -> bool:
    return os.path.lexists(folder / f"{name}.safetensors")


def in_memory(train: Split, validation: Split) -> Samples:
    """Take the images of a search in memory, which has no test images."""
    return Samples(chosen(train.images).cpu(), validation.to("cpu"), "validation")


def eight_bits(model: ModelProto, samples: Samples, *, uint8: bool) -> EightBits:
    """Quantise a network, and measure it before and after.

    Args:
        model: the network in float32, as it is written to its file.
        samples: the images.
        uint8: whether the network takes uint8, and not float32.
    """
    from nasflow.deployment.int8 import quantised

    small = quantised(model, _typed(samples.calibration, uint8))
    float32, int8 = (measured(one, samples.tested, uint8=uint8) for one in (model, small))
    return EightBits(small, float32, int8, samples)


def measured(model: ModelProto, tested: Split, *, uint8: bool) -> Measured:
    """Measure the accuracy, the size and the latency of a network.

    Args:
        model: the network.
        tested: the images of the accuracy; the latency is that of the first one.
        uint8: whether the network takes uint8, and not float32.
    """
    from nasflow.deployment.onnx_session import OnnxSession

    session, images = OnnxSession(model), tested.images.permute(0, 3, 1, 2)
    right = 0
    for part, labels in zip(
        torch.split(images, PART), torch.split(tested.labels, PART), strict=True
    ):
        right += int((session(_typed(part, uint8)).argmax(1) == labels).sum())
    took = session.milliseconds(_typed(images[:1], uint8))
    return Measured(right / len(tested), model.ByteSize(), took)


def _typed(images: Tensor, uint8: bool) -> Tensor:
    """Return images as a network takes them, float32 on the scale 0..1 unless it takes uint8."""
    return images.contiguous() if uint8 else images.contiguous().float() / 255.0
