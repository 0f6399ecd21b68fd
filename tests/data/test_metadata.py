"""A picture without its metadata has the same pixels, and bytes that are no picture do no harm."""

from __future__ import annotations

import io

import numpy as np
import pytest
from image_files import RNG
from PIL import Image

from nasflow.data.metadata import stripped

PIXELS = Image.fromarray(RNG.integers(0, 256, (8, 12, 3), dtype=np.uint8))


def saved(kind: str) -> bytes:
    found, stream = Image.Exif(), io.BytesIO()
    found[0x112], found[0x10F] = 3, "maker"
    PIXELS.save(stream, kind, exif=found, icc_profile=b"p" * 300, **{"big_tiff": kind == "TIFF"})
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_pixels_and_exif_are_kept(kind: str) -> None:
    encoded = saved(kind)
    found = stripped(encoded)
    assert found is not None and b"maker" not in found.content[:200]
    with Image.open(io.BytesIO(encoded)) as old, Image.open(io.BytesIO(found.content)) as new:
        assert np.array_equal(np.asarray(old), np.asarray(new))
        assert "icc_profile" not in new.info
    if found.exif is not None:
        turned = Image.Exif()
        turned.load(found.exif)
        assert turned[0x112] == 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_file_that_ends_anywhere_is_taken_apart_or_left(kind: str) -> None:
    encoded = saved(kind)
    for end in range(0, len(encoded), 7):
        stripped(encoded[:end])
    assert stripped(b"GIF89a") is None
