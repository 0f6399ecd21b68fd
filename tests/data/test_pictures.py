"""Pictures arrive as they are, or a line says why they cannot be read."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from image_files import noise, png, refused_data
from PIL import Image

from nasflow.data import pictures


def test_threads_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = noise(40)
    contents = [png(image) for image in images]
    monkeypatch.setattr(pictures, "BLOCK", 3)
    for count in (1, 4):
        monkeypatch.setattr("os.cpu_count", lambda count=count: count)
        assert np.array_equal(pictures.decode(["x"] * 40, contents, None), images)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_of_eight_bits_is_read(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode).save(path)
    image = pictures.decode(["a"], [path], None)
    assert image.shape == (1, 4, 5, 1 if mode in ("1", "L", "LA") else 3)
    assert np.all(image == 255)


def test_pictures_of_more_than_eight_bits_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((4, 4), 40000, dtype=np.uint16)).save(path)
    with pytest.raises(ValueError, match=r"deep: mode I;16; expected 8 bits"):
        pictures.decode(["deep"], [path], None)


def test_postscript_is_never_opened() -> None:
    with pytest.raises(ValueError, match="no picture; expected one of PNG"):
        pictures.decode(["a.eps"], [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"], None)


def test_all_unreadable_pictures_are_told_at_once(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    broken = sorted((tmp_path / "photos" / "two").iterdir())[:7]
    for path in broken[1:]:
        path.write_bytes(path.read_bytes()[:60])
    broken[0].write_text("notes")
    refused_data(
        f"{broken[0]}: no picture",
        "7 pictures cannot be read",
        f"{broken[4]} and 2 more too",
        source="folder",
        train=str(tmp_path / "photos"),
        size=8,
    )


def test_a_turned_photo_is_turned_and_alpha_is_dropped() -> None:
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera lay on its side
    stream = io.BytesIO()
    image.save(stream, "PNG", exif=turned)
    found = pictures.decode(["a"], [stream.getvalue()], None)
    assert found[0, :, :, 0].tolist() == [[3, 0], [4, 1], [5, 2]]
    stream = io.BytesIO()
    Image.new("RGBA", (2, 2), (1, 2, 3, 0)).save(stream, "PNG")
    images, modes = pictures.decoded(["a"], [stream.getvalue()], None)
    assert images.reshape(-1, 3).tolist() == [[1, 2, 3]] * 4
    assert modes == {"RGBA": 1}
