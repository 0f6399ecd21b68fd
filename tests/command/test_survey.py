"""A survey of a data set reads the headers of its pictures only."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from nasflow.command.survey import Survey, survey


def pictures(folder: Path, sizes: dict[str, list[tuple[int, int]]], mode: str = "L") -> Path:
    for name, extents in sizes.items():
        (folder / name).mkdir(parents=True)
        for i, extent in enumerate(extents):
            Image.new(mode, extent).save(folder / name / f"{i}.png")
    return folder


def test_headers_are_enough_for_a_survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = pictures(tmp_path / "train", {"x": [(20, 10)] * 3, "y": [(20, 10)]})
    found = survey("folder", train, train)
    assert found == Survey(4, 4, (10, 20, 1), True, {"x": 3, "y": 1})
    (train / "x" / "4.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"4\.png: no picture"):
        survey("folder", train, None)
    monkeypatch.setattr("nasflow.data.large.LARGEST", 199)
    (train / "x" / "4.png").unlink()
    with pytest.raises(ValueError, match=r"0\.png: too large \(20 x 10 pixels\); expected at most"):
        survey("folder", train, None)
    monkeypatch.undo()
    shutil.rmtree(train / "x")
    assert survey("folder", train, None).classes == {"y": 1}
