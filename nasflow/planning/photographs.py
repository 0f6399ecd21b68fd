"""Which changes beside mirrors and shifts suit the training images, by their kind."""

from __future__ import annotations

from typing import NamedTuple

# Passes over the images from which on a crop is worth it. On 2,017 photographs it made the test
# error larger after 20 passes (16.9 instead of 14.5 %) and smaller after 50 (11.1 instead of
# 14.1 %); one seed each (docs/recipe.md).
PASSES = 40.0
CROP = 0.6  # smallest part of the area that was measured


class Suited(NamedTuple):
    """Values of keys of the section `augment`.

    Attributes:
        crop: `augment.crop`; 1 for no crop.
        why: a few words for people.
    """

    crop: float
    why: str


UNCROPPED = Suited(1.0, "only photographs are cropped")


def suited(*, channels: int, resized: bool, shifted: bool, passes: float) -> Suited:
    """Decide whether training images are cropped.

    Photographs are what comes in colour and larger than the network sees it. Small images and grey
    ones (letters, digits, drawings) keep their edges, because a part of a symbol may be another
    symbol.

    Args:
        channels: of the images: 1 for grey, 3 for colour.
        resized: whether images are resized, as `data.size` says.
        shifted: whether a shift keeps the class of an image.
        passes: how often the whole time would show each image to the network.
    """
    if channels != 3 or not resized:
        return UNCROPPED
    if not shifted:
        return Suited(1.0, "a crop moves things, as a shift does")
    if passes < PASSES:
        return Suited(1.0, f"a crop is worth it from {PASSES:.0f} passes over the images on")
    return Suited(CROP, "photographs")
