"""Warnings of Pillow are told once for each picture, by its name."""

from __future__ import annotations

import io
import os
import warnings

import numpy as np
import pytest
from image_files import noise, png
from PIL import Image

from nasflow.data import pictures
from nasflow.data.reader_warnings import Heard, overheard


def truncated_exif() -> bytes:
    """A TIFF whose entry for its maker points behind the end of the file."""
    found = Image.Exif()
    found[0x10F] = "a maker with a long name"
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(stream, "TIFF", exif=found)
    data = bytearray(stream.getvalue())
    at = data.index(b"\x0f\x01\x02\0")
    data[at + 8 : at + 12] = b"\xff\xff\0\0"
    return bytes(data)


def test_a_warning_names_the_picture_once(capfd: pytest.CaptureFixture[str]) -> None:
    names = [f"photos/{i}.tif" for i in range(8)]
    odd = truncated_exif()
    contents = [odd, png(noise(1)[0]), odd, odd, odd, odd, odd, odd]
    assert len(pictures.decode(names, contents, None)) == 8
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 6 and all(line.startswith("nasflow: ") for line in lines), lines
    assert "photos/0.tif: read with a warning: " in lines[0]
    assert not any("photos/1.tif" in line for line in lines)
    assert lines[-1] == "nasflow: 2 more pictures were read with a warning"


def test_what_a_library_in_c_writes_names_the_picture(capfd: pytest.CaptureFixture[str]) -> None:
    with Heard() as heard:
        heard.current.name = "a.tif"
        with overheard():
            os.write(2, b"tempfile.tif: odd\n")
        heard.current.name = None
        with warnings.catch_warnings(record=True) as others:
            warnings.warn("of somebody else", UserWarning, stacklevel=1)
    heard.tell()
    assert capfd.readouterr().err == "nasflow: a.tif: read with a warning: tempfile.tif: odd\n"
    assert len(others) == 1
