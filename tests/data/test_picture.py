"""The pixels of a picture decide whether it is read, and not its metadata."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from nasflow.data import pictures
from nasflow.data.picture import header, read
from nasflow.data.room import Room

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
TURNED = np.rot90(PIXELS, -1)  # as orientation 6 shows it


def saved(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind: bytes, data: bytes, check: int | None = None) -> bytes:
    check = zlib.crc32(kind + data) if check is None else check
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def png(*extra: bytes, depth: int = 8, kind: int = 2, channels: int = 3) -> bytes:
    """Write a PNG of 9 x 6 pixels with more chunks before its pixels."""
    if (depth, kind) == (8, 2):
        rows = [b"\0" + row.tobytes() for row in PIXELS]
    else:
        rows = [b"\0" + RNG.bytes((9 * channels * depth + 7) // 8) for _ in range(6)]
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 6, depth, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + body


def exif(*entries: tuple[int, int, int, int]) -> bytes:
    """EXIF with these entries: tag, type, count and value."""
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + b"\0" * 20


SIDEWAYS = (0x112, 3, 1, 6)
LONG = zlib.compress(bytes(2_000_000))


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ([chunk(b"eXIf", b"garbage")], PIXELS),
        ([chunk(b"eXIf", exif(SIDEWAYS))], TURNED),
        ([chunk(b"eXIf", exif(SIDEWAYS, (282, 1, 1, 26)))], TURNED),
        ([chunk(b"eXIf", exif(SIDEWAYS)[:15])], PIXELS),
        ([chunk(b"eXIf", exif((0x112, 2, 1, 6)))], PIXELS),
        ([chunk(b"eXIf", exif((0x112, 3, 1, 77)))], PIXELS),
        ([chunk(b"zTXt", b"note\0\0" + LONG)], PIXELS),
        ([chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(70_000_000)))], PIXELS),
        ([chunk(b"iTXt", b"a\0\1\0\0\0" + LONG)], PIXELS),
        ([chunk(b"tEXt", b"note\0text", check=7)], PIXELS),
        ([chunk(b"pHYs", b"\0")], PIXELS),
        ([chunk(b"zTXt", b"note\0\0" + LONG), chunk(b"eXIf", exif(SIDEWAYS))], TURNED),
    ],
)
def test_metadata_of_a_png_never_refuses_it(extra: list[bytes], expected: np.ndarray) -> None:
    encoded = png(*extra)
    assert np.array_equal(pictures.decode(["a"], [encoded], None)[0], expected)
    assert header("a", encoded) == expected.shape


@pytest.mark.parametrize("data", [b"Exif\0\0garbage!!", b"Exif\0\0II*\0\xff", b"Exif\0\0"])
def test_garbage_in_a_jpeg_is_ignored(data: bytes) -> None:
    expected = pictures.decode(["a"], [saved("JPEG")], None)
    found = pictures.decode(["a"], [saved("JPEG", exif=data, dpi=(72, 72))], None)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_an_odd_tag_beside_the_orientation_changes_nothing(kind: str) -> None:
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    expected = np.rot90(pictures.decode(["a"], [saved(kind, **options)], None)[0], -1)
    found = Image.Exif()
    found[0x112] = 6
    found[0x10F] = "maker"
    data = bytearray(saved(kind, exif=found, **options))
    order = next(o for o in "<>" if struct.pack(o + "HH", 0x10F, 2) in data)
    at = data.index(struct.pack(order + "HH", 0x10F, 2))
    data[at + 2 : at + 4] = struct.pack(order + "H", 99)  # a type that does not exist
    assert np.array_equal(pictures.decode(["a"], [bytes(data)], None)[0], expected)
    assert header("a", bytes(data)) == expected.shape


DEEP = {
    "rgb.png": png(depth=16, kind=2),
    "rgba.png": png(depth=16, kind=6, channels=4),
    "la.png": png(depth=16, kind=4, channels=2),
    "l.png": png(depth=16, kind=0, channels=1),
    "p6.ppm": b"P6 2 2 65535\n" + bytes(24),
    "p6_ten_bits.ppm": b"P6 2 2 1023\n" + bytes(24),
    "p3.ppm": b"P3 2 2 300\n" + b"1 " * 12,
    "p5.pgm": b"P5 2 2 1023\n" + bytes(8),
    "p2.pgm": b"P2 2 2 65535\n" + b"1 " * 4,
    "pf.pfm": b"Pf 2 2 -1.0\n" + bytes(16),
}


def tiff(bits: int, channels: int) -> bytes:
    """Write a TIFF of 2 x 2 pixels by hand: Pillow writes none of 16 bits with colours."""
    data = bytes(4 * channels * bits // 8)
    entries = [(256, 4, 1, 2), (257, 4, 1, 2), (258, 3, channels, 8), (259, 3, 1, 1)]
    entries += [(262, 3, 1, 2), (273, 4, 1, 16), (277, 3, 1, channels), (279, 4, 1, len(data))]
    head = b"II*\0" + struct.pack("<I", 16 + len(data)) + struct.pack("<HHHH", *(bits,) * 4)
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return head + data + struct.pack("<H", len(entries)) + table + bytes(4)


DEEP |= {"rgb.tiff": tiff(16, 3), "rgba.tiff": tiff(16, 4)}


@pytest.mark.parametrize("name", DEEP)
def test_more_than_eight_bits_are_refused_in_every_format(name: str) -> None:
    for call in (
        lambda: pictures.decode([name], [DEEP[name]], 8),
        lambda: header(name, DEEP[name]),
    ):
        with pytest.raises(ValueError, match=f"{name}: mode .*expected 8 bits per channel") as told:
            call()
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("mode", [np.uint16, np.int32, np.float32])
def test_deep_grey_tiffs_are_refused(mode: type) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), mode)).save(stream, "TIFF")
    with pytest.raises(ValueError, match="expected 8 bits per channel"):
        pictures.decode(["a"], [stream.getvalue()], None)


def test_fewer_bits_are_scaled() -> None:
    assert pictures.decode(["a"], [b"P5 2 1 15\n\x0f\x00"], None).ravel().tolist() == [255, 0]
    assert tiff(8, 3) and pictures.decode(["a"], [tiff(8, 3)], None).shape == (1, 2, 2, 3)


def palette(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).quantize(16).save(stream, kind, **options)
    return stream.getvalue()


def grey(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS[..., 0]).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("encoded", "mode"),
    [
        (palette("PNG", transparency=0), "PA"),
        (palette("PNG", transparency=bytes([0, 128] * 8)), "PA"),
        (palette("GIF", transparency=1), "PA"),
        (saved("PNG", transparency=(1, 2, 3)), "RGBA"),
        (grey("PNG", transparency=7), "LA"),
        (palette("PNG"), "P"),
        (saved("PNG"), "RGB"),
        (grey("PNG"), "L"),
    ],
)
def test_a_transparent_colour_counts_as_alpha_and_is_dropped(encoded: bytes, mode: str) -> None:
    images, modes = pictures.decoded(["a"], [encoded], None)
    assert modes == {mode: 1}
    with Image.open(io.BytesIO(encoded)) as picture:
        plain = np.asarray(picture.convert("L" if mode in ("L", "LA") else "RGB"))
    assert np.array_equal(images[0].squeeze(), plain)


def test_memory_that_runs_out_is_no_corrupt_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", short)
    with pytest.raises(MemoryError):
        pictures.decode(["a"], [png()], None)


def test_a_file_that_pillow_cannot_open_is_called_by_its_format(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + bytes(50))
    with pytest.raises(ValueError, match="a damaged or unusual TIFF; expected 8 bits per channel"):
        read("a", path, None, Room())
