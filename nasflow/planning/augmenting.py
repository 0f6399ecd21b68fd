"""Which changes of the images `nasflow init` writes into the section `augment`."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.data import encoded
from nasflow.data.image_sources import digits
from nasflow.data.pictures import Images, decode
from nasflow.planning import symmetry
from nasflow.planning.choices import Choice

# Of sources that would have to be downloaded: whether left and right may be swapped.
MIRRORED = {"cifar10": True, "cifar100": True, "fashion_mnist": True, "svhn": False}
PHOTOGRAPHS = ("cifar10", "cifar100")  # of these, the sets whose images may be smaller at first

FIRST = 64  # images whose decoding tells how long the others take
LONGEST = 10.0  # seconds that decoding may take here


class Changes(NamedTuple):
    """Which changes keep the class of an image.

    Attributes:
        flip: whether left and right may be swapped.
        shift: whether images may be shifted.
        coarse: whether images may be smaller at the beginning of the final training.
        told: what a quick classifier said about own images; None where the answer is known.
        reading: seconds that decoding one image took, by all threads together.
    """

    flip: bool
    shift: bool
    coarse: bool = False
    told: symmetry.Symmetry | None = None
    reading: float = 0.0


def changes(chosen: Choice, size: int | None, shift: int) -> Changes:
    """Look at some of the images and decide.

    Args:
        chosen: what the user wants.
        size: pixels per side to which images are resized, or None.
        shift: the pixels by which images would be shifted.

    Raises:
        ValueError: if one of the images that are looked at cannot be read.
    """
    if chosen.source in MIRRORED:
        return Changes(MIRRORED[chosen.source], True, chosen.source in PHOTOGRAPHS)
    if chosen.train is None:
        part = digits().train
        told, reading = symmetry.symmetry(part.images, part.labels, shift), 0.0
    else:
        reader = {"folder": encoded.folder, "parquet": encoded.parquet}[chosen.source]
        found = reader(str(chosen.train), chosen.labels["train"])
        drawn = np.random.default_rng(0).permutation(len(found.names))[: symmetry.IMAGES]
        began = time.monotonic()
        _decoded(found, drawn[:FIRST], size)
        first = (time.monotonic() - began) / min(FIRST, len(drawn))
        drawn = drawn[: max(FIRST, int(LONGEST / max(first, 1e-9)))]
        began = time.monotonic()
        pixels = _decoded(found, drawn, size)
        reading = (time.monotonic() - began) / len(drawn)  # without what loading Pillow took
        labels = np.unique(found.labels[drawn], return_inverse=True)[1].astype(np.int64)
        told = symmetry.symmetry(pixels, labels, shift)
    return seen(told, reading)


def seen(told: symmetry.Symmetry, reading: float = 0.0) -> Changes:
    """Return the changes that keep what a quick classifier sees, or that it does not notice.

    Args:
        told: what it said.
        reading: seconds that decoding one image took.
    """
    coarse = told.keeps(told.coarse, symmetry.KEPT_AT_FIRST)
    return Changes(told.mirrors, told.shifts, coarse, told, reading)


def _decoded(found: encoded.Encoded, drawn: npt.NDArray[np.int64], size: int | None) -> Images:
    """Decode some of the pictures; Parquet files are read in their order."""
    taken = {i: found.contents[i] for i in np.sort(drawn)}
    return decode([found.names[i] for i in drawn], [taken[i] for i in drawn], size)
