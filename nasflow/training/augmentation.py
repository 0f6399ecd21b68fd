"""Random changes of single images that keep their class: moves, crops, colours and holes.

A function whose name ends in `draws` draws numbers on the CPU, with numpy, from a generator. Every
other function is a pure function of the images and of such numbers, on any device. A whole batch is
changed at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce

import numpy as np
import torch
from torch import Tensor

Draws = np.ndarray
# The sides of a crop stand in ratios from 3/4 to 4/3 to those of the image, as in torchvision's
# RandomResizedCrop, which has them from Szegedy et al. 2015 (arXiv 1409.4842).
CROP_RATIO = 4.0 / 3.0
# Random erasing: the smallest and the largest part of an image's area, and the smallest ratio of
# the sides of the rectangle; its inverse is the largest one (Zhong et al. 2017, arXiv 1708.04896).
ERASED, ERASE_RATIO = (0.02, 0.4), 0.3
HOLES = ("cutout", "erase")  # the changes that set a rectangle of an image to the mean colour
TRIES = 10  # rectangles that are drawn for each image, because some are higher or wider than it
LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in a grey value (ITU-R BT.601)


def crop_draws(rng: np.random.Generator, b: int, height: int, width: int, least: float) -> Draws:
    """Draw a crop for each image.

    Args:
        rng: the generator.
        b: the number of images.
        height: of the images, in pixels.
        width: of the images, in pixels.
        least: the smallest part of an image's area that a crop keeps; with 1, the crop is the
            image.

    Returns:
        float64 (2, 2, b): for rows and for columns, the start of each crop in pixels and the part
        of the image's side that it keeps.
    """
    area = rng.uniform(least, 1.0, b)
    widest = np.minimum(math.log(CROP_RATIO), -np.log(area))  # a wider crop exceeds the image
    ratio = np.exp(rng.uniform(-1.0, 1.0, b) * widest)
    parts = np.sqrt(area / ratio), np.sqrt(area * ratio)
    starts = [
        rng.random(b) * (1.0 - part) * length
        for part, length in zip(parts, (height, width), strict=True)
    ]
    return np.stack([np.stack(pair) for pair in zip(starts, parts, strict=True)])


def shift_draws(rng: np.random.Generator, b: int, most: int) -> Draws:
    """Draw how far each image moves: int32 (2, b) for rows and columns, from 0 to 2 * most."""
    return np.stack([rng.integers(0, 2 * most + 1, b) for _ in range(2)]).astype(np.int32)


def places(
    length: int, offset: Tensor, *, mirrored: Tensor | None = None, crop: Tensor | None = None
) -> Tensor:
    """Compute where the pixels of changed images lie in the images, along one side.

    Args:
        length: of the side, in pixels.
        offset: what is added to the places of each image, whole numbers (..., b), such as (b,) or,
            for several steps at once, (steps, b).
        mirrored: the images whose side is reversed, bool (..., b); None for no image.
        crop: one of the two rows that `crop_draws` returned, (..., 2, b); None for no crop.

    Returns:
        The places (..., b, length), which count pixels from 0: whole numbers without a crop, else
        float64.
    """
    line = torch.arange(length, device=offset.device)
    if mirrored is not None:
        line = torch.where(mirrored[..., None], line.flip(0), line)
    if crop is not None:
        start, part = crop[..., None].unbind(-3)
        line = (start + part * (line.double() + 0.5) - 0.5).clamp_(0.0, length - 1.0)
    return line + offset[..., None]


def read(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Read the pixels of images at other places, which are the same for a whole row or column.

    Args:
        images: (b, any height, any width, channels).
        rows: the row of each row of the result, (b, height). Whole numbers take pixels as they
            are; real numbers take means of the nearest pixels (bilinear interpolation).
        columns: the same for columns, (b, width).

    Returns:
        (b, height, width, channels): of the type of the images at whole numbers, else float32.
    """
    b, high, wide, channels = images.shape
    height, width = rows.shape[1], columns.shape[1]
    if rows.is_floating_point():
        # Matrices with one line per row and with one line per column and channel are transposed:
        # 0.13 ms for 128 images of 32 x 32 in colour, where to swap rows and columns takes 0.42 ms.
        lines = _between(images.reshape(b, high, -1), rows).transpose(1, 2)
        pixels = _between(lines.reshape(b, wide, -1), columns).view(b, -1, height)
        return pixels.transpose(1, 2).contiguous().view(b, height, width, channels)
    own = torch.arange(b, device=images.device)[:, None, None]
    places = (own * high + rows[:, :, None]) * wide + columns[:, None, :]
    pixels = images.reshape(-1, channels).index_select(0, places.flatten())
    return pixels.view(b, height, width, channels)


def _between(lines: Tensor, places: Tensor) -> Tensor:
    """Interpolate linearly between the lines (b, n, m) of each image at places (b, k)."""
    (b, n, _), low = lines.shape, places.floor()
    first, below = torch.arange(b, device=lines.device)[:, None] * n, low.long()
    flat = lines.reshape(b * n, -1)
    start, end = (
        flat.index_select(0, (first + line).flatten()).float().view(b, places.shape[1], -1)
        for line in (below, (below + 1).clamp(max=n - 1))
    )
    return torch.lerp(start, end, (places - low).float()[:, :, None])


def colour_draws(rng: np.random.Generator, b: int, strength: float) -> Draws:
    """Draw factors of brightness, contrast and saturation for each image.

    Args:
        rng: the generator.
        b: the number of images.
        strength: factors are drawn between 1 - strength and 1 + strength.

    Returns:
        float32 (b, 3).
    """
    factors = rng.uniform(1.0 - strength, 1.0 + strength, (b, 3))
    return np.asarray(factors, dtype=np.float32)


def luma(channels: int, device: torch.device) -> Tensor:
    """Make the weights of the channels in a grey value, float32 (channels,).

    They are LUMA where there are three channels, and else all equal.
    """
    weights = LUMA if channels == 3 else (1.0 / channels,) * channels
    return torch.tensor(weights, device=device)


def coloured(images: Tensor, factors: Tensor, weights: Tensor | None = None) -> Tensor:
    """Change brightness, then contrast, then saturation, as torchvision's ColorJitter does.

    Each of the three is a linear map of the pixels, so that one pass does all of them. Values are
    cut to the range from 0 to 255 once, at the end.

    Args:
        images: (b, height, width, channels), values from 0 to 255.
        factors: what `colour_draws` returned, (b, 3). The factor of the saturation counts for
            images with three channels only.
        weights: what `luma` returned. None makes them anew, for which a GPU waits.

    Returns:
        float32 (b, height, width, channels), values from 0 to 255.
    """
    pixels, channels = images.float(), images.shape[3]
    grey = pixels @ (luma(channels, images.device) if weights is None else weights)
    bright, contrast, saturation = factors[:, :, None, None].unbind(1)
    if channels != 3:
        saturation = torch.ones_like(saturation)
    mean = (bright * (1.0 - contrast)) * grey.mean((1, 2), keepdim=True)
    same = bright * contrast * (1.0 - saturation) * grey + mean
    own = (bright * contrast * saturation)[:, :, :, None]
    return torch.addcmul(same[:, :, :, None], pixels, own).clamp_(0.0, 255.0)


def square_draws(rng: np.random.Generator, b: int, height: int, width: int, side: int) -> Draws:
    """Draw one square for each image (DeVries & Taylor 2017).

    The centre of a square is any pixel, so that a part of the square may lie outside the image.

    Args:
        rng: the generator.
        b: the number of images.
        height: of the images, in pixels.
        width: of the images, in pixels.
        side: of the squares, in pixels.

    Returns:
        Rectangles, int32 (4, b): the top row, the left column, the height and the width.
    """
    corners = [rng.integers(0, length, b) - side // 2 for length in (height, width)]
    sides = np.full(b, side)
    return np.stack([*corners, sides, sides]).astype(np.int32)


def erase_draws(rng: np.random.Generator, b: int, height: int, width: int, chance: float) -> Draws:
    """Draw at most one rectangle for each image, for random erasing.

    A rectangle is lower and narrower than the image. It lies inside the image. Of the rectangles
    that are drawn for an image, the first one that fits is taken.

    Args:
        rng: the generator.
        b: the number of images.
        height: of the images, in pixels.
        width: of the images, in pixels.
        chance: the probability that an image gets a rectangle.

    Returns:
        Rectangles, int32 (4, b), as those of `square_draws`. An image without a rectangle has one
        of height and width 0.
    """
    area = rng.uniform(*ERASED, (TRIES, b)) * height * width
    ratio = np.exp(rng.uniform(-1.0, 1.0, (TRIES, b)) * math.log(ERASE_RATIO))
    sides = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)])
    sides = np.maximum(np.rint(sides).astype(np.int64), 1)
    fits = (sides[0] < height) & (sides[1] < width)
    hit = (rng.random(b) < chance) & fits.any(0)
    taken = np.where(hit, sides[:, fits.argmax(0), np.arange(b)], 0)
    corners = [
        rng.integers(0, length - side + 1)
        for side, length in zip(taken, (height, width), strict=True)
    ]
    return np.stack([*corners, *taken]).astype(np.int32)


def spans(rectangles: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Mark the rows and the columns of images that go through the rectangle of their image.

    Args:
        rectangles: what `square_draws` or `erase_draws` returned, (..., 4, b).
        height: of the images, in pixels.
        width: of the images, in pixels.

    Returns:
        Rows, bool (..., b, height), and columns, bool (..., b, width).
    """
    top, left, tall, wide = rectangles[..., None].unbind(-3)

    def near(start: Tensor, side: Tensor, length: int) -> Tensor:
        offset = torch.arange(length, device=start.device) - start
        return (offset >= 0) & (offset < side)

    return near(top, tall, height), near(left, wide, width)


def inside(rows: Tensor, columns: Tensor) -> Tensor:
    """Mark the pixels, bool (b, height, width), that lie in a row and a column of `spans`."""
    return rows[:, :, None] & columns[:, None, :]


def prepared(drawn: Mapping[str, Tensor], height: int, width: int) -> dict[str, Tensor]:
    """Compute from the numbers of one step, or of several at once, what its batch reads.

    For several steps at once a GPU launches as many kernels as for one.

    Args:
        drawn: the numbers by name: `offsets` of `shift_draws`, `mirrored`, and `crop`, `cutout` and
            `erase` of the functions with these names; for several steps each has one more
            dimension in front. Names may be missing.
        height: of the images, in pixels.
        width: of the images, in pixels.

    Returns:
        `rows` and `columns` (see `places`), those of each of HOLES (see `spans`), and all other
        numbers as they are.
    """
    used = ("offsets", "mirrored", "crop", *HOLES)
    found = {name: numbers for name, numbers in drawn.items() if name not in used}
    if "offsets" in drawn:
        down, right = drawn["offsets"].unbind(-2)
        crops = drawn["crop"].unbind(-3) if "crop" in drawn else (None, None)
        found["rows"] = places(height, down, crop=crops[0])
        found["columns"] = places(width, right, mirrored=drawn.get("mirrored"), crop=crops[1])
    for name in HOLES:
        if name in drawn:
            found[f"{name} rows"], found[f"{name} columns"] = spans(drawn[name], height, width)
    return found


def holes(numbers: Mapping[str, Tensor]) -> Tensor | None:
    """Mark the pixels that lie in any of HOLES, bool (b, height, width); None without HOLES.

    Args:
        numbers: what `prepared` returned, for one step.
    """
    kinds = [name for name in HOLES if f"{name} rows" in numbers]
    masks = [inside(numbers[f"{name} rows"], numbers[f"{name} columns"]) for name in kinds]
    return reduce(torch.logical_or, masks) if masks else None
