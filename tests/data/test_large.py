"""A photograph of very many pixels is read where it is resized, and looks as any other."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nasflow.data import large, picture, pictures
from nasflow.planning.survey import survey

SIZE = 16


def photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture that changes slowly from corner to corner."""
    rows, columns = np.linspace(0, 120, height), np.linspace(0, 120, width)
    grey = np.add.outer(rows, columns).astype(np.uint8)
    whole = Image.merge("RGB", [Image.fromarray(grey + shift) for shift in (0, 5, 9)])
    return whole.convert(mode)


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("TIFF", "L", {}),
        ("WEBP", "RGB", {"lossless": True}),
    ],
)
def test_a_large_picture_looks_as_if_it_were_decoded_whole(
    kind: str, mode: str, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[picture.ORIENTATION] = 6
    content = encode(photo(703, 411, mode), kind, exif=exif, **options)
    expected = pictures.decode(["a"], [content], SIZE).astype(int)
    monkeypatch.setattr(picture, "WHOLE", 100)
    monkeypatch.setattr(large, "STRIP", 20_000)  # several strips
    found = pictures.decode(["a"], [content], SIZE)
    assert np.abs(found - expected).max() <= 6


@pytest.mark.parametrize("extent", [(70, 411), (411, 20), (1, 300), (17, 16)])
def test_narrow_pictures_are_read_too(
    extent: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encode(photo(*extent), "PNG")
    expected = pictures.decode(["a"], [content], SIZE).astype(int)
    monkeypatch.setattr(picture, "WHOLE", 10)
    assert np.abs(pictures.decode(["a"], [content], SIZE) - expected).max() <= 4


def test_more_pixels_than_pillow_allows_are_read_without_a_warning(tmp_path: Path) -> None:
    Image.new("L", (15_000, 12_000), 77).save(tmp_path / "large.jpg", quality=10)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for index in range(6):
            os.link(tmp_path / "large.jpg", tmp_path / name / f"{index}.jpg")
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pictures.decode(["a"], [tmp_path / "large.jpg"], SIZE)
        assert survey("folder", tmp_path, None).size == (12_000, 15_000, 1)
    assert found.shape == (1, SIZE, SIZE, 1) and np.abs(found.astype(int) - 77).max() <= 1
    assert before == Image.MAX_IMAGE_PIXELS
