"""Files of pictures without their metadata: no text, colour profile, preview or EXIF.

Pillow refuses some pictures whose pixels are whole, because of a damaged or very long entry beside
the pixels. Such a picture is read again from a copy of its file that lacks these entries.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

PNG = b"\x89PNG\r\n\x1a\n"
CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # what a PNG picture is made of
EXIF = b"Exif\0\0"
APPLICATIONS = range(0xE0, 0xF0)  # markers of JPEG for data of applications
COLOUR = (0xE0, 0xEE)  # those that say how the colours are coded: JFIF and Adobe
COMMENT, SCAN = 0xFE, 0xDA
WEBP = (b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF")
FLAGS = 0x20 | 0x08 | 0x04  # of a VP8X chunk: there is a colour profile, EXIF, XMP
# Tags of TIFF that say how the pixels are stored, as their numbers in the specification.
STORED = {
    *(254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323),
    *(324, 325, 332, 338, 339, 347, 512, 513, 514, 515, 519, 520, 521, 529, 530, 531, 532),
}
ORIENTATION = 274
SHORT = 3  # the type of a tag: 16 bits without a sign


class Stripped(NamedTuple):
    """The file of a picture without its metadata.

    Attributes:
        content: the bytes of the new file.
        exif: the EXIF data as they were found, or None. A TIFF keeps its orientation instead.
    """

    content: bytes
    exif: bytes | None


def stripped(encoded: bytes) -> Stripped | None:
    """Remove the metadata from the file of a picture.

    Args:
        encoded: the bytes of the file.

    Returns:
        The file without metadata, or None for a format that has none or for a file that is too
        damaged to be taken apart.
    """
    try:
        if encoded.startswith(PNG):
            return _png(encoded)
        if encoded.startswith(b"\xff\xd8"):
            return _jpeg(encoded)
        if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
            return _webp(encoded)
        if encoded[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return Stripped(_tiff(encoded), None)
    except (struct.error, IndexError, ValueError):
        return None
    return None


def _png(encoded: bytes) -> Stripped:
    kept, exif, at = [PNG], None, len(PNG)
    while at < len(encoded):
        length, kind = struct.unpack_from(">I4s", encoded, at)
        end = at + 12 + length
        if kind in CHUNKS:
            kept.append(encoded[at:end])
        elif kind == b"eXIf":
            exif = encoded[at + 8 : at + 8 + length]
        at = len(encoded) if kind == b"IEND" else end
    return Stripped(b"".join(kept), exif)


def _jpeg(encoded: bytes) -> Stripped:
    kept, exif, at = [encoded[:2]], None, 2
    while encoded[at] == 0xFF and encoded[at + 1] != SCAN:
        if encoded[at + 1] == 0xFF:  # padding before a marker
            at += 1
            continue
        marker, (length,) = encoded[at + 1], struct.unpack_from(">H", encoded, at + 2)
        segment = encoded[at : at + 2 + length]
        if (marker not in APPLICATIONS and marker != COMMENT) or marker in COLOUR:
            kept.append(segment)
        elif segment[4:10] == EXIF:
            exif = segment[4:]
        at += 2 + length
    return Stripped(b"".join([*kept, encoded[at:]]), exif)


def _webp(encoded: bytes) -> Stripped:
    kept, exif = [], None
    for kind, data in _riff(encoded):
        if kind == b"VP8X":
            data = bytes([data[0] & ~FLAGS]) + data[1:]
        if kind in WEBP:
            kept.append(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))
        elif kind == b"EXIF":
            exif = data
    body = b"WEBP" + b"".join(kept)
    return Stripped(b"RIFF" + struct.pack("<I", len(body)) + body, exif)


def _riff(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and the content of each chunk of a RIFF file."""
    at = 12
    while at + 8 <= len(encoded):
        kind, length = struct.unpack_from("<4sI", encoded, at)
        yield kind, encoded[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _tiff(encoded: bytes) -> bytes:
    """Keep the tags of the first picture that say how it is stored, and a whole orientation."""
    order = "<" if encoded[:2] == b"II" else ">"
    big = b"+" in encoded[2:4]
    number, place = (order + "Q", order + "Q") if big else (order + "H", order + "I")
    size = 20 if big else 12
    (start,) = struct.unpack_from(place, encoded, 8 if big else 4)
    (count,) = struct.unpack_from(number, encoded, start)
    first = start + struct.calcsize(number)
    entries = [
        encoded[at : at + size]
        for at in range(first, min(first + count * size, len(encoded) - size + 1), size)
    ]
    kept = [entry for entry in entries if _needed(entry, order, big)]
    table = struct.pack(number, len(kept)) + b"".join(kept) + struct.pack(place, 0)
    return b"".join([encoded[:start], table, encoded[start + len(table) :]])


def _needed(entry: bytes, order: str, big: bool) -> bool:
    tag, kind, count = struct.unpack_from(order + ("HHQ" if big else "HHI"), entry)
    return tag in STORED or (tag == ORIENTATION and kind == SHORT and count == 1)
