"""Pillow decodes one picture into an array of uint8 (height, width, channels).

The mode of a picture is Pillow's name for its kind of pixels, such as L (grey) or RGBA. Only the
pixels decide whether a picture is read: metadata that is damaged is ignored, and an orientation
(EXIF) is applied where it can be read. Pictures with more than 8 bits per channel are refused,
because Pillow would cut most of them to 8 bits without a word.
"""

from __future__ import annotations

import io
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.data import large
from nasflow.data.metadata import stripped
from nasflow.data.reader_warnings import Heard, overheard
from nasflow.data.room import Room

if TYPE_CHECKING:
    from PIL import Image

Images = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
GREY = ("1", "L", "LA", "La")  # modes that become one channel
# What a mode is called where a colour of a palette, or one colour or shade, is transparent.
TRANSPARENT = {"1": "LA", "L": "LA", "P": "PA", "RGB": "RGBA"}
WHOLE = 50_000_000  # pixels of a picture; larger ones are read by the module `large`
SIDE = 1024  # pixels of a side where pictures are not resized; also the limit of data.size
HEAVIEST = 200_000_000  # bytes of the file of a picture
ORIENTATION, BITS = 274, 258  # numbers of tags of EXIF and of TIFF
# The first bytes of formats whose files Pillow may be unable to read.
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}


class Picture(NamedTuple):
    """One picture.

    Attributes:
        pixels: uint8 (height, width, channels), with 1 or 3 channels.
        mode: the mode before it was converted. A picture with a transparent colour has the mode of
            an alpha channel: PA, LA or RGBA.
    """

    pixels: Images
    mode: str


class _RefusedError(Exception):
    """The picture is refused by its header; none of its pixels has been decoded."""


def read(name: str, content: bytes | Path, size: int | None, room: Room) -> Picture:
    """Decode one picture.

    Args:
        name: its name, for messages.
        content: its encoded bytes or the path of its file.
        size: the width and height in pixels to which it is resized, or None to keep its size.
        room: where its pixels count while it is decoded.

    Returns:
        The picture, with one channel where its mode is grey, and three otherwise.

    Raises:
        ValueError: if it is refused or broken; the message is one line and names it.
    """
    encoded = _bytes(name, content) if isinstance(content, Path) else content
    try:
        return _decoded(encoded, None, size, room)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise errors of any class on broken bytes
        found = None if isinstance(error, _RefusedError) else _again(encoded, size, room)
        if found is None:
            raise ValueError(f"{name}: {_problem(error, encoded)}") from error
        return found


def header(name: str, content: bytes | Path) -> tuple[int, int, int]:
    """Read the size of a picture from its header, as `read` will return it without resizing.

    Args:
        name: its name, for messages.
        content: its encoded bytes or the path of its file.

    Returns:
        Height, width and channels of the upright picture.

    Raises:
        ValueError: if it is no picture or has more than 8 bits per channel; the message is one
            line and names the picture.
    """
    if isinstance(content, Path) and not content.is_file():  # opening a pipe would never end
        raise ValueError(f"{name}: no regular file; expected a picture; remove it")
    with large.limits(), Heard() as heard:  # warnings are told when the pictures are read
        heard.current.name = name
        try:
            return _extent(content if isinstance(content, Path) else io.BytesIO(content), None)
        except MemoryError:
            raise
        except Exception as error:  # as in `read`
            encoded = _bytes(name, content) if isinstance(content, Path) else content
            plain = None if isinstance(error, _RefusedError) else stripped(encoded)
            try:
                if plain is not None:
                    return _extent(io.BytesIO(plain.content), plain.exif)
            except Exception:  # the first error is told
                pass
            raise ValueError(f"{name}: {_problem(error, encoded)}") from error


def pixels(picture: Image.Image, size: int | None) -> Images:
    """Return the pixels of a picture, resized where a size is given.

    Args:
        picture: a picture of mode L or RGB.
        size: the new width and height, or None.

    Returns:
        uint8 (height, width, channels).
    """
    from PIL import Image

    if size is not None and picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    found = np.asarray(picture, dtype=np.uint8)
    return found[:, :, None] if found.ndim == 2 else found


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


def deep(picture: Image.Image) -> bool:
    """Return whether an opened picture has more than 8 bits per channel, as its header says.

    Pillow gives most of them a mode of 8 bits. So the layout of the stored pixels is looked at: its
    name (such as RGB;16B), the largest value of a PPM, and the bits of a TIFF. It must not have
    been loaded.
    """
    if picture.mode.startswith(("I", "F")):
        return True
    if picture.format == "TIFF":
        bits = getattr(picture, "tag_v2", {}).get(BITS, 8)
        return bool(max(bits if isinstance(bits, tuple) else (bits,)) > 8)
    stored = [tile.args for tile in getattr(picture, "tile", [])]
    words = [word for args in stored for word in (args if isinstance(args, tuple) else (args,))]
    if picture.format == "PPM":
        return any(isinstance(word, int) and word > 255 for word in words)
    return picture.format == "PNG" and any(";16" in word for word in words if type(word) is str)


def _decoded(encoded: bytes, exif: bytes | None, size: int | None, room: Room) -> Picture:
    """Decode the bytes of a picture; EXIF from elsewhere may say how it is turned."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
        mode, (width, height) = picture.mode, picture.size
        if width * height > large.LARGEST or (size is None and max(width, height) > SIDE):
            raise _RefusedError(_large(f"{width} x {height} pixels"))
        _refuse_deep(picture)
        if picture.has_transparency_data:
            mode = TRANSPARENT.get(mode, mode)
        kind = "L" if mode in GREY else "RGB"
        with room.taken(width * height):
            if size is not None and width * height > WHOLE:
                small = large.reduced(picture, kind, size, lambda: _turn(picture, exif))
                return Picture(pixels(small, size), mode)
            with overheard() if getattr(picture, "use_load_libtiff", False) else nullcontext():
                picture.load()
            method = _turn(picture, exif)
            if method is not None:
                picture.im = picture.im.transpose(method)
                picture._size = picture.im.size
            plain = picture if picture.mode == kind else picture.convert(kind)
            return Picture(pixels(plain, size), mode)


def _extent(stream: Path | io.BytesIO, exif: bytes | None) -> tuple[int, int, int]:
    """Height, width and channels of a picture, from its header."""
    from PIL import Image

    with Image.open(stream, formats=FORMATS) as picture:
        width, height = picture.size
        if width * height > large.LARGEST:
            raise _RefusedError(_large(f"{width} x {height} pixels"))
        _refuse_deep(picture)
        channels = 1 if picture.mode in GREY else 3
        turns = Image.Transpose
        sides = (turns.TRANSPOSE, turns.TRANSVERSE, turns.ROTATE_90, turns.ROTATE_270)
        # Pillow gives the size of a TIFF as it is after turning.
        turned = picture.format != "TIFF" and _turn(picture, exif) in sides
        return (width, height, channels) if turned else (height, width, channels)


def _refuse_deep(picture: Image.Image) -> None:
    if deep(picture):
        mode = picture.mode
        kind = mode if mode.startswith(("I", "F")) else f"{mode} with 16 bits per channel"
        raise _RefusedError(f"mode {kind}; expected 8 bits per channel; convert it to 8 bits")


def _turn(picture: Image.Image, exif: bytes | None) -> Image.Transpose | None:
    """How a picture is to be turned, as far as its EXIF can be read."""
    from PIL import Image

    turns = Image.Transpose
    try:
        if exif is None:
            found = picture.getexif()
        else:
            found = Image.Exif()
            found.load(exif)
        return {
            2: turns.FLIP_LEFT_RIGHT,
            3: turns.ROTATE_180,
            4: turns.FLIP_TOP_BOTTOM,
            5: turns.TRANSPOSE,
            6: turns.ROTATE_270,
            7: turns.TRANSVERSE,
            8: turns.ROTATE_90,
        }.get(found.get(ORIENTATION, 1))
    except MemoryError:
        raise
    except Exception:  # of any class: the metadata may be anything
        return None


def _again(encoded: bytes, size: int | None, room: Room) -> Picture | None:
    """Decode a picture without its metadata, or return None where that fails too."""
    plain = stripped(encoded)
    if plain is None:
        return None
    try:
        return _decoded(plain.content, plain.exif, size, room)
    except MemoryError:
        raise
    except Exception:  # the first error is told
        return None


def _problem(error: Exception, encoded: bytes) -> str:
    """What is wrong with a picture and what to do, from the error that its reader raised."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return _large(str(error))
    if isinstance(error, UnidentifiedImageError):
        kind = next((name for head, name in SIGNATURES.items() if encoded.startswith(head)), None)
        if kind is not None:
            return f"a damaged or unusual {kind}; expected 8 bits per channel; convert it to PNG"
        return foreign(encoded) or f"no picture; expected one of {', '.join(FORMATS)}"
    return f"corrupt picture ({' '.join(str(error).split())}); replace or remove it"


def _large(extent: str) -> str:
    return (
        f"too large ({extent}); expected at most {SIDE} x {SIDE}, or {large.LARGEST} pixels"
        " where data.size resizes them"
    )


def _bytes(name: str, path: Path) -> bytes:
    """Read the file of a picture, unless that would never end or would fill the memory."""
    try:
        if not path.is_file():
            raise ValueError(f"{name}: no regular file; expected a picture; remove it")
        if path.stat().st_size > HEAVIEST:
            raise ValueError(f"{name}: {path.stat().st_size} bytes; expected at most {HEAVIEST}")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name}: cannot be read ({error.strerror})") from error
