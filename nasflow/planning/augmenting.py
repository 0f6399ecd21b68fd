"""Which changes of the images `nasflow init` writes into the section `augment`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nasflow.data import encoded
from nasflow.data.image_sources import digits
from nasflow.data.pictures import decode
from nasflow.planning import symmetry
from nasflow.planning.choices import Choice

# Of sources that would have to be downloaded: whether left and right may be swapped.
MIRRORED = {"cifar10": True, "cifar100": True, "fashion_mnist": True, "svhn": False}


class Changes(NamedTuple):
    """Which changes keep the class of an image.

    Attributes:
        flip: whether left and right may be swapped.
        shift: whether images may be shifted.
        told: what a quick classifier said about own images; None where the answer is known.
    """

    flip: bool
    shift: bool
    told: symmetry.Symmetry | None = None


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
        return Changes(MIRRORED[chosen.source], True)
    if chosen.train is None:
        part = digits().train
        told = symmetry.symmetry(part.images, part.labels, shift)
    else:
        reader = {"folder": encoded.folder, "parquet": encoded.parquet}[chosen.source]
        found = reader(str(chosen.train), chosen.labels["train"])
        drawn = np.random.default_rng(0).permutation(len(found.names))[: symmetry.IMAGES]
        names = [found.names[i] for i in drawn]
        taken = {i: found.contents[i] for i in np.sort(drawn)}  # Parquet is read in its order
        contents = [taken[i] for i in drawn]
        pixels = decode(names, contents, size)
        labels = np.unique(found.labels[drawn], return_inverse=True)[1].astype(np.int64)
        told = symmetry.symmetry(pixels, labels, shift)
    return Changes(told.keeps(told.mirrored), told.keeps(told.shifted), told)
