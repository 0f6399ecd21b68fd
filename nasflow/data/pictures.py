"""Pillow decodes pictures into one uint8 array (n, height, width, channels).

Pictures keep one channel if all of them have a grey mode; otherwise all become RGB. An alpha
channel is dropped, so that pixels that it made transparent become visible; a transparent colour (of
a palette, or of a PNG without alpha channel) counts as an alpha channel. A picture that its camera
marked as turned (EXIF) is turned upright. Where a size is given, every picture is resized to
size x size (bilinear, antialiased), and its proportions may change. Only common formats are read,
because Pillow's EPS reader would start Ghostscript on a file of unknown origin.

Each error is a ValueError of one line that names the picture. The number of threads does not change
the result. Cost (Pillow 13.0, two cores): 50,000 JPEGs of 32 x 32 take 3.1 s with one thread and
3.3 s with two; 800 JPEGs of 500 x 375 take 0.63 s and 0.41 s.

Memory: each picture goes to its place in the result as soon as it is decoded. Besides the result
there are at most BYTES of encoded and of decoded pictures for each thread, and the pictures of
`room.AT_ONCE` pixels that are being decoded. If the first picture is grey and a later one is not,
the result is made anew with three channels. 1,600 PNGs of 512 x 512 (1.26 GB decoded) take 1.33 GB
with all of `prepare`; when blocks of 1,024 pictures were converted to int64, they took 11.0 GB.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.data import capacity, large
from nasflow.data.picture import FORMATS as FORMATS
from nasflow.data.picture import GREY as GREY
from nasflow.data.picture import HEAVIEST as HEAVIEST
from nasflow.data.picture import SIDE as SIDE
from nasflow.data.picture import Images as Images
from nasflow.data.picture import Picture, pixels, read
from nasflow.data.picture import foreign as foreign
from nasflow.data.reader_warnings import Heard
from nasflow.data.room import Room

BLOCK = 256  # pictures per task: one future costs as much as decoding a 32 x 32 JPEG
BYTES = 4_000_000  # decoded bytes per task, and encoded bytes where these are in memory
NAMED = 5  # an error names at most this many unreadable pictures
Found = Picture | ValueError  # a picture that cannot be read gives its error


class Decoded(NamedTuple):
    """Decoded pictures.

    Attributes:
        images: uint8 (n, height, width, channels), with 1 or 3 channels.
        modes: how many pictures had each mode (L, RGB, RGBA, ...) before they were converted.
    """

    images: Images
    modes: dict[str, int]


def decode(names: Sequence[str], contents: Sequence[bytes | Path], size: int | None) -> Images:
    """Decode pictures as `decoded` does, and return the images without their modes."""
    return decoded(names, contents, size).images


def decoded(
    names: Sequence[str],
    contents: Iterable[bytes | Path],
    size: int | None,
    places: npt.NDArray[np.int64] | None = None,
) -> Decoded:
    """Decode pictures in the order in which they are given.

    Args:
        names: the name of each picture, for messages.
        contents: each picture, as its encoded bytes or as the path of its file.
        size: the width and height in pixels to which every picture is resized, or None to keep
            the sizes, which must then be equal.
        places: the position of each picture in the result, (n,); None keeps the order.

    Returns:
        The images, and how many pictures had each mode.

    Raises:
        ValueError: if pictures cannot be read or differ in size, or if the images do not fit into
            the memory. The message names the first NAMED pictures that cannot be read and counts
            the others.
    """
    from PIL import Image

    Image.init()  # registers the formats; several threads must not do it at once
    target = _Target(names, places)
    with large.limits(), Heard() as heard:
        for index, found in enumerate(_read(names, contents, size, target, heard)):
            target.take(index, found)
    images = target.finished()
    heard.tell()
    return Decoded(images, dict(sorted(target.modes.items())))


class _Target:
    """Takes decoded pictures one by one and puts them into one array.

    Attributes:
        modes: how many pictures had each mode.
        room: bounds the pixels that are decoded at one time; it grows with the array.
    """

    def __init__(self, names: Sequence[str], places: npt.NDArray[np.int64] | None) -> None:
        self.modes: Counter[str] = Counter()
        self.room = Room()
        self._names, self._places = names, places
        self._images: Images | None = None
        self._first, self._odd = 0, ""  # the first picture, and what differs from its size
        self._problems: list[ValueError] = []

    @property
    def known(self) -> bool:
        """Whether the size of the pictures is known, because one of them was read."""
        return self._images is not None

    def fitting(self, found: Picture) -> Picture:
        """Return a picture; one of another size than the first keeps its size and no pixels."""
        shape = found.pixels.shape
        if self._images is None or shape[:2] == self._images.shape[1:3]:
            return found
        return found._replace(pixels=np.broadcast_to(np.uint8(0), shape))

    @property
    def block(self) -> int:
        """The number of pictures of the next task: one where their size is not known yet."""
        if self._images is None:
            return 1
        return max(1, min(BLOCK, BYTES // self._images[:1].nbytes))

    def take(self, index: int, found: Found) -> None:
        """Put a picture in its place, or keep its error."""
        if isinstance(found, ValueError):
            self._problems.append(found)
            return
        self.modes[found.mode] += 1
        if self._images is None:
            self._first, self._images = index, self._made(found.pixels.shape)
        elif found.pixels.shape[:2] != self._images.shape[1:3]:
            self._odd = self._odd or (
                f"{self._names[index]}: {_extent(found.pixels)} pixels, but"
                f" {self._names[self._first]} has {_extent(self._images[0])};"
                f" expected one size; set data.size to resize them"
            )
            return
        elif found.pixels.shape[2] > self._images.shape[3]:
            grey, self._images = self._images, self._made(found.pixels.shape)
            self._images[...] = grey
        place = index if self._places is None else self._places[index]
        self._images[place] = found.pixels  # grey is repeated where there are three channels

    def finished(self) -> Images:
        """Return the array, or raise one ValueError for all problems."""
        _refuse(self._problems)
        if self._odd:
            raise ValueError(self._odd)
        return np.empty((0, 1, 1, 1), np.uint8) if self._images is None else self._images

    def _made(self, shape: tuple[int, ...]) -> Images:
        height, width, channels = shape
        capacity.check(len(self._names), (height, width, channels))
        images = np.empty((len(self._names), height, width, channels), dtype=np.uint8)
        self.room.most += images.nbytes // 16  # at 8 bytes per pixel, half of the result
        return images


def _read(
    names: Sequence[str],
    contents: Iterable[bytes | Path],
    size: int | None,
    target: _Target,
    heard: Heard,
) -> Iterator[Found]:
    """Yield each picture or its error in order; some tasks of each thread wait or are done."""
    pairs = zip(names, contents, strict=True)
    threads = min(8, os.cpu_count() or 1)
    tasks: deque[Future[list[Found]]] = deque()

    def task(block: Sequence[tuple[str, bytes | Path]]) -> list[Found]:
        return [_attempt(*pair, size, target, heard) for pair in block]

    with ThreadPoolExecutor(threads) as pool:
        while block := _block(pairs, target.block):
            tasks.append(pool.submit(task, block))
            if not target.known or len(tasks) > threads:
                yield from tasks.popleft().result()
        while tasks:
            yield from tasks.popleft().result()


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
        target[...] = pixels(picture, size)
    return resized


def _block(pairs: Iterator[tuple[str, bytes | Path]], most: int) -> list[tuple[str, bytes | Path]]:
    """Take the next pictures: at most so many, and none after the one that fills BYTES."""
    block, held = [], 0
    for pair in islice(pairs, most):
        block.append(pair)
        held += len(pair[1]) if isinstance(pair[1], bytes) else 0
        if held >= BYTES:
            break
    return block


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


def _attempt(
    name: str, content: bytes | Path, size: int | None, target: _Target, heard: Heard
) -> Found:
    heard.current.name = name
    try:
        return target.fitting(read(name, content, size, target.room))
    except ValueError as error:
        return error
    finally:
        heard.current.name = None


def _extent(array: Images) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"
