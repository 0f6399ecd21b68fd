"""Pictures of very many pixels are read where they are resized anyway, with bounded memory.

Pillow refuses a picture of more than 179 million pixels and warns from 89 million on, because a
small file can hold a picture that fills the memory. Here the limit is LARGEST, and only one such
picture is decoded at a time. A JPEG is decoded at an eighth of its sides or more, as its format
allows. The others are decoded whole, which takes 4 bytes per pixel (0.8 GB at most) beside the
bytes of the file, and are then reduced strip by strip.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

LARGEST = 200_000_000  # pixels; phones have cameras of up to 200 million
GAP = 2  # a picture is reduced to at least so many times the wanted side, and resized after that
STRIP = 4_000_000  # pixels that are reduced at once, where a row of squares has no more
_ALONE = threading.Lock()


@contextmanager
def limits() -> Iterator[None]:
    """Let Pillow read the headers of pictures of any size, without a warning, for a while.

    The caller compares the sizes with its own limits.
    """
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def reduced(
    picture: Image.Image, kind: str, size: int, turn: Callable[[], Image.Transpose | None]
) -> Image.Image:
    """Make a small copy of a picture, by the means of squares of pixels.

    Args:
        picture: an opened picture, of which no pixel has been decoded; it is closed.
        kind: the mode of the copy, L or RGB.
        size: the side to which it will be resized.
        turn: says how the decoded picture is to be turned.

    Returns:
        A picture of the mode `kind`, upright, with sides of at least GAP x size pixels where those
        of the original are so long.
    """
    from PIL import Image

    with _ALONE:
        picture.draft(None, (GAP * size, GAP * size))  # a JPEG only; its sides stay so long
        picture.load()  # a TIFF is turned upright here
        width, height = picture.size
        method = turn()
        factor = max(1, min(width, height) // (GAP * size))
        small = Image.new(kind, (-(-width // factor), -(-height // factor)))
        rows = factor * max(1, STRIP // (width * factor))
        for top in range(0, height, rows):
            strip = picture.crop((0, top, width, min(height, top + rows)))
            small.paste(strip.convert(kind).reduce(factor), (0, top // factor))
        picture.close()  # its pixels are freed before the next one is decoded
    return small if method is None else small.transpose(method)
