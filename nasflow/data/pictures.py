"""Pillow decodes pictures into one uint8 array (n, height, width, channels).

The mode of a picture is Pillow's name for its kind of pixels, such as L (grey) or RGBA. Pictures
keep one channel if all of them have a grey mode; otherwise all become RGB. An alpha channel is
dropped, so that pixels that it made transparent become visible. A picture that its camera marked
as turned (EXIF) is turned upright. Where a size is given, every picture is resized to size x size
(bilinear, antialiased), and its proportions may change. Only common formats are read, because
Pillow's EPS reader would start Ghostscript on a file of unknown origin.

Each error is a ValueError of one line that names the picture. The number of threads does not change
the result. Cost (Pillow 13.0, two cores): 50,000 JPEGs of 32 x 32 take 3.1 s with one thread and
3.3 s with two; 800 JPEGs of 500 x 375 take 0.63 s and 0.41 s.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.data import large

if TYPE_CHECKING:
    from PIL import Image

Images = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
GREY = ("1", "L", "LA", "La")  # modes that become one channel
WHOLE = 50_000_000  # pixels of a picture; larger ones are read by the module `large`
SIDE = 1024  # pixels of a side where pictures are not resized; also the limit of data.size
HEAVIEST = 200_000_000  # bytes of the file of a picture
BLOCK = 256  # pictures per task: one future costs as much as decoding a 32 x 32 JPEG
NAMED = 5  # an error names at most this many unreadable pictures


class Decoded(NamedTuple):
    """Decoded pictures.

    Attributes:
        images: uint8 (n, height, width, channels), with 1 or 3 channels.
        modes: how many pictures had each mode (L, RGB, RGBA, ...) before they were converted.
    """

    images: Images
    modes: dict[str, int]


class _Picture(NamedTuple):
    """One picture: pixels (height, width, channels), and the mode that it had before."""

    pixels: Images
    mode: str


def decode(names: Sequence[str], contents: Sequence[bytes | Path], size: int | None) -> Images:
    """Decode pictures as `decoded` does, and return the images without their modes."""
    return decoded(names, contents, size).images


def decoded(names: Sequence[str], contents: Sequence[bytes | Path], size: int | None) -> Decoded:
    """Decode pictures in the order in which they are given.

    Args:
        names: the name of each picture, for messages.
        contents: each picture, as its encoded bytes or as the path of its file.
        size: the width and height in pixels to which every picture is resized, or None to keep
            the sizes, which must then be equal.

    Returns:
        The images, and how many pictures had each mode.

    Raises:
        ValueError: if pictures cannot be read or differ in size. The message names the first
            NAMED pictures that cannot be read and counts the others.
    """
    from PIL import Image

    Image.init()  # registers the formats; several threads must not do it at once
    blocks = [slice(start, start + BLOCK) for start in range(0, len(names), BLOCK)]
    with large.limits(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        tasks = pool.map(partial(_block, names, contents, size), blocks)
        found = [picture for block in tasks for picture in block]
    _refuse([one for one in found if isinstance(one, ValueError)])
    pictures = [one for one in found if isinstance(one, _Picture)]
    images = _stacked(names, [picture.pixels for picture in pictures])
    return Decoded(images, dict(sorted(Counter(picture.mode for picture in pictures).items())))


def _stacked(names: Sequence[str], pixels: Sequence[Images]) -> Images:
    """Join pictures into one array (n, height, width, channels); all must have the same size."""
    for name, array in zip(names, pixels, strict=True):
        if array.shape[:2] != pixels[0].shape[:2]:
            raise ValueError(
                f"{name}: {_extent(array)} pixels, but {names[0]} has {_extent(pixels[0])};"
                f" expected one size; set data.size to resize them"
            )
    channels = max((array.shape[2] for array in pixels), default=1)
    images = np.empty((len(pixels), *pixels[0].shape[:2], channels), dtype=np.uint8)
    for image, array in zip(images, pixels, strict=True):
        image[...] = array  # grey is repeated where channels is 3
    return images


def resize(images: Images, size: int) -> Images:
    """Resize images as `decoded` does it.

    Args:
        images: uint8 (n, height, width, channels), with 1 or 3 channels.
        size: the new height and width in pixels.

    Returns:
        The images, uint8 (n, size, size, channels).
    """
    from PIL import Image

    resized = np.empty((len(images), size, size, images.shape[3]), dtype=np.uint8)
    for target, image in zip(resized, images, strict=True):
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        target[...] = _pixels(picture, size)
    return resized


def foreign(head: bytes) -> str | None:
    """Recognise a file that a server or Git has put in place of the data.

    Args:
        head: the first bytes of the file; at most 200 are looked at.

    Returns:
        What the file is and what to do, for a message, or None for any other file.
    """
    start = head[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "an HTML or XML page instead of data; download it again from the right address"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer instead of data; fetch the file with git lfs pull"
    return None


def _block(
    names: Sequence[str], contents: Sequence[bytes | Path], size: int | None, block: slice
) -> list[_Picture | ValueError]:
    """Decode the pictures of one task; a picture that cannot be read gives its error."""
    pairs = zip(names[block], contents[block], strict=True)
    return [_attempt(name, content, size) for name, content in pairs]


def _refuse(problems: Sequence[ValueError]) -> None:
    """Raise one error for all pictures that cannot be read."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        others = [str(problem).split(": ", 1)[0] for problem in problems[1:NAMED]]
        more = f" and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        raise ValueError(
            f"{problems[0]}; {len(problems)} pictures cannot be read, {', '.join(others)}{more} too"
        ) from problems[0]


def _attempt(name: str, content: bytes | Path, size: int | None) -> _Picture | ValueError:
    try:
        return _open(name, content, size)
    except ValueError as error:
        return error


def _open(name: str, content: bytes | Path, size: int | None) -> _Picture:
    """Decode one picture; raise a ValueError of one line when it is refused or broken."""
    from PIL import Image, ImageOps

    encoded = _read(name, content) if isinstance(content, Path) else content
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            mode, (width, height) = picture.mode, picture.size
            if width * height > large.LARGEST or (size is None and max(width, height) > SIDE):
                raise _TooLargeError(f"{width} x {height} pixels")
            if not mode.startswith(("I", "F")):
                kind = "L" if mode in GREY else "RGB"
                huge = width * height > WHOLE
                found = large.reduced(picture, kind, size) if size and huge else picture
                ImageOps.exif_transpose(found, in_place=True)
                return _Picture(_pixels(found.convert(kind), size), mode)
    except Exception as error:  # Pillow's readers raise errors of any class on broken bytes
        raise ValueError(f"{name}: {_problem(error, encoded)}") from error
    raise ValueError(f"{name}: mode {mode}; expected 8 bits per channel; convert it to 8 bits")


def _problem(error: Exception, encoded: bytes) -> str:
    """What is wrong with a picture and what to do, from the error that its reader raised."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, _TooLargeError | Image.DecompressionBombError):
        return (
            f"too large ({error}); expected at most {SIDE} x {SIDE}, or {large.LARGEST} pixels"
            " where data.size resizes them"
        )
    if isinstance(error, UnidentifiedImageError):
        return foreign(encoded) or f"no picture; expected one of {', '.join(FORMATS)}"
    return f"corrupt picture ({' '.join(str(error).split())}); replace or remove it"


class _TooLargeError(Exception):
    """The picture is too large by its header; none of its pixels has been decoded."""


def _read(name: str, path: Path) -> bytes:
    """Read the file of a picture, unless that would never end or would fill the memory."""
    try:
        if not path.is_file():
            raise ValueError(f"{name}: no regular file; expected a picture; remove it")
        if path.stat().st_size > HEAVIEST:
            raise ValueError(f"{name}: {path.stat().st_size} bytes; expected at most {HEAVIEST}")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name}: cannot be read ({error.strerror})") from error


def _pixels(picture: Image.Image, size: int | None) -> Images:
    """The pixels of a picture, uint8 (height, width, channels), resized where a size is given."""
    from PIL import Image

    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _extent(array: Images) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"
