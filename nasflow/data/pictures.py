"""Encoded pictures -> one uint8 array (n, height, width, channels), with Pillow.

Pictures stay grey (one channel) if all are grey by their mode, else all become RGB; an alpha
channel is dropped, and what it hid shows. A picture that its camera marked as turned (EXIF) is
turned. `size` squeezes to size x size (bilinear, antialiased). Only common formats are read:
Pillow's EPS reader would start Ghostscript on a file from anywhere.

Errors are a ValueError of one line that names the picture. The number of threads changes nothing.
Cost (Pillow 13.0, two cores): 50,000 JPEGs of 32 x 32 take 3.1 s with one thread, 3.3 s with two;
800 of 500 x 375 take 0.63 s and 0.41 s.
"""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Images = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
GREY = ("1", "L", "LA", "La")
LARGEST = 50_000_000  # pixels that are decoded, by what the picture's header says
SIDE = 1024  # pixels of a side where nothing resizes, as for data.size
HEAVIEST = 200_000_000  # bytes of an encoded picture
BLOCK = 256  # pictures a task: a future costs as much as decoding a 32 x 32 JPEG
NAMED = 5  # unreadable pictures that an error names


class Decoded(NamedTuple):
    """images (n, h, w, 1 or 3); modes: how many pictures came as L, RGB, RGBA, ..."""

    images: Images
    modes: dict[str, int]


class _Picture(NamedTuple):
    pixels: Images
    mode: str


def decode(names: Sequence[str], contents: Sequence[bytes | Path], size: int | None) -> Images:
    """The images of `decoded`."""
    return decoded(names, contents, size).images


def decoded(names: Sequence[str], contents: Sequence[bytes | Path], size: int | None) -> Decoded:
    """All pictures in their order; `names` are what an error calls them. An error counts all that
    cannot be read and names the first of them."""
    from PIL import Image

    Image.init()  # registers the formats; not safe in threads
    blocks = [slice(start, start + BLOCK) for start in range(0, len(names), BLOCK)]
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # LARGEST is lower
        tasks = pool.map(partial(_block, names, contents, size), blocks)
        found = [picture for block in tasks for picture in block]
    _refuse([one for one in found if isinstance(one, ValueError)])
    pictures = [one for one in found if isinstance(one, _Picture)]
    pixels = [picture.pixels for picture in pictures]
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
    return Decoded(images, dict(sorted(Counter(picture.mode for picture in pictures).items())))


def resize(images: Images, size: int) -> Images:
    """(n, h, w, c) -> (n, size, size, c), as `decode` does it."""
    from PIL import Image

    resized = np.empty((len(images), size, size, images.shape[3]), dtype=np.uint8)
    for target, image in zip(resized, images, strict=True):
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
        target[...] = _pixels(picture, size)
    return resized


def foreign(head: bytes) -> str | None:
    """What a server or Git left in place of data, from the first bytes of a file."""
    start = head[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "an HTML or XML page instead of data; download it again from the right address"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer instead of data; fetch the file with git lfs pull"
    return None


def _block(
    names: Sequence[str], contents: Sequence[bytes | Path], size: int | None, block: slice
) -> list[_Picture | ValueError]:
    pairs = zip(names[block], contents[block], strict=True)
    return [_attempt(name, content, size) for name, content in pairs]


def _refuse(problems: Sequence[ValueError]) -> None:
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
    from PIL import Image, ImageOps, UnidentifiedImageError

    encoded = _read(name, content) if isinstance(content, Path) else content
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            mode, (width, height) = picture.mode, picture.size
            if width * height > LARGEST or (size is None and max(width, height) > SIDE):
                raise _TooLargeError(f"{width} x {height} pixels")
            if not mode.startswith(("I", "F")):
                ImageOps.exif_transpose(picture, in_place=True)
                kind = "L" if mode in GREY else "RGB"
                return _Picture(_pixels(picture.convert(kind), size), mode)
    except Exception as error:  # Pillow's readers raise what they please on broken bytes
        if isinstance(error, _TooLargeError | Image.DecompressionBombError):
            problem = (
                f"too large ({error}); expected at most {SIDE} x {SIDE}, or {LARGEST} pixels where"
                " data.size resizes them"
            )
        elif isinstance(error, UnidentifiedImageError):
            problem = foreign(encoded) or f"no picture; expected one of {', '.join(FORMATS)}"
        else:
            problem = f"corrupt picture ({' '.join(str(error).split())}); replace or remove it"
        raise ValueError(f"{name}: {problem}") from error
    raise ValueError(f"{name}: mode {mode}; expected 8 bits a channel; convert it to 8 bits")


class _TooLargeError(Exception):
    """By its header; nothing has been decoded."""


def _read(name: str, path: Path) -> bytes:
    """A picture's file, unless reading it would never end or fill the memory."""
    try:
        if not path.is_file():
            raise ValueError(f"{name}: no regular file; expected a picture; remove it")
        if path.stat().st_size > HEAVIEST:
            raise ValueError(f"{name}: {path.stat().st_size} bytes; expected at most {HEAVIEST}")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name}: cannot be read ({error.strerror})") from error


def _pixels(picture: Image.Image, size: int | None) -> Images:
    from PIL import Image

    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, dtype=np.uint8)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _extent(array: Images) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"
