"""Images that do not fit into the memory are refused before they are decoded."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import class_folders, noise, refused

from nasflow.__main__ import main
from nasflow.config.data import Data
from nasflow.data import capacity
from nasflow.stages import preparation


def test_images_larger_than_memory_are_refused_by_data_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = class_folders(tmp_path / "train", noise(30, 3), [i % 2 for i in range(30)])  # type: ignore[arg-type]
    monkeypatch.setattr(capacity, "available", lambda: 150_000_000)
    data = Data(source="folder", train=train, size=1024)
    refused(
        data, "data.size: 30 images of 1024 x 1024 x 3 need 94 MB", "150 MB are free", "smaller"
    )
    refused(Data(size=256), "data.size: 1,797 images of 256 x 256 x 1 need 118 MB")


def test_the_smallest_figure_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   2000 kB\n")
    monkeypatch.setattr(capacity, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(capacity, "GROUP", tmp_path)
    monkeypatch.setattr(capacity, "_addresses", lambda: None)
    assert capacity.available() == 2_048_000
    (tmp_path / "memory.max").write_text("max\n")
    assert capacity.available() == 2_048_000
    for name, text in (("max", "1000"), ("current", "600"), ("stat", "anon 1\ninactive_file 50\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert capacity.available() == 450
    monkeypatch.setattr(capacity, "MEMORY", tmp_path / "none")
    monkeypatch.setattr(capacity, "GROUP", tmp_path / "none")
    assert capacity.available() is None


def test_advice_for_preparation_is_about_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def short(_: Data) -> None:
        raise MemoryError("Unable to allocate 9 GiB")

    monkeypatch.setattr(preparation, "load_splits", short)
    assert main(["prepare", "--config", '{"source": "digits"}', "--out", str(tmp_path / "o")]) == 2
    assert capsys.readouterr().err == (
        "nasflow: prepare: out of memory (Unable to allocate 9 GiB); set a smaller data.size or"
        " give fewer images\n"
    )
