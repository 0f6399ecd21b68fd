"""`nasflow check` looks at the pictures, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from nasflow.__main__ import main


def checked(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    (folder / "mine.yaml").write_text(text)
    code = main(["check", str(folder / "mine.yaml")])
    out, err = capsys.readouterr()
    return code, out + err


def photos(folder: Path, **classes: int) -> None:
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (12, 12)).save(folder / name / f"{i}.png")


@pytest.mark.parametrize(
    ("train", "test", "keys", "said"),
    [
        ({"a": 20, "b": 20}, {}, "", "no problem found"),
        ({"a": 8, "b": 8}, {}, "", "search.validation_batch_size: 32; lowered to 1"),
        ({"a": 20, "b": 20}, {}, "search: {batch_size: 70}", "at most the 29 images"),
        ({"a": 20, "b": 20}, {}, "base: {widths: [4, 4, 4, 4, 4]}", "at most 4 for images of 12"),
        ({"a": 20}, {}, "", "1 class; expected 2 or more"),
        ({"a": 1, "b": 1}, {}, "", "data.test_fraction: 0.2 of 2 images is none"),
        ({"a": 9, "b": 9}, {"c": 3}, "", "class 'c' is not in data.train"),
        ({}, {}, "", "is no folder; expected a folder of class folders"),
    ],
)
def test_what_prepare_would_refuse_is_one_line(
    train: dict[str, int],
    test: dict[str, int],
    keys: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "train", **train)
    photos(tmp_path / "test", **test)
    own = ", test: test" if test else ""
    text = f"experiment: mine\ndata: {{source: folder, train: train{own}}}\n{keys}\n"
    code, found = checked(tmp_path, text, capsys)
    assert said in found and "Traceback" not in found
    good = "no problem" in found
    assert code == (0 if good else 2)
    assert good or found.count("\n") == 1


def test_turned_photos_need_a_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "train", a=20, b=20)
    exif: Any = Image.Exif()
    exif[0x0112] = 6
    for file in (tmp_path / "train").rglob("*.png"):
        Image.new("RGB", (12, 8)).save(file, "JPEG", exif=exif if file.stem == "3" else b"")
    text = "experiment: mine\ndata: {source: folder, train: train}\n"
    code, found = checked(tmp_path, text, capsys)
    assert code == 2 and "expected one size; set data.size to resize them" in found
    assert checked(tmp_path, text.replace("train}", "train, size: 8}"), capsys)[0] == 0
