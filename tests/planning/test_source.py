"""What a person names as PHOTOS is found out, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from image_files import pictures

from nasflow.data import encoded, walk
from nasflow.planning.source import Source, source

TWO = {"cat": [(8, 8)] * 2, "dog": [(8, 8)] * 2}


def test_class_folders_are_a_folder(tmp_path: Path) -> None:
    top = pictures(tmp_path / "photos", TWO)
    (top / "notes.txt").write_text("x")
    assert source(str(top)) == Source("folder", str(top))


def test_parts_with_class_folders_are_parts(tmp_path: Path) -> None:
    for part in ("Train", "val", "test"):
        pictures(tmp_path / part, TWO)
    (tmp_path / ".git").mkdir()
    found = source(str(tmp_path))
    expected = [str(tmp_path / part) for part in ("Train", "val", "test")]
    assert found == Source("folder", *expected)
    pictures(tmp_path / "cat", {"x": [(8, 8)]})  # a folder more: it is for the reader to refuse
    assert source(str(tmp_path)) == Source("folder", str(tmp_path))


@pytest.mark.parametrize("folder", ["", "data"])
def test_a_folder_of_parquet_files_is_split_by_their_names(folder: str, tmp_path: Path) -> None:
    top = tmp_path / "set [1]"
    (top / folder).mkdir(parents=True)
    for name in ("train-0-of-2", "train-1-of-2", "test", "validation-0"):
        (top / folder / f"{name}.parquet").write_bytes(b"")
    found = source(str(top))
    assert found.kind == "parquet"
    files = {part: walk.parquet_files(str(getattr(found, part))) for part in walk.PARTS}
    names = {part: [Path(file).stem for file in found] for part, found in files.items()}
    expected = {"train": ["train-0-of-2", "train-1-of-2"], "validation": ["validation-0"]}
    assert names == expected | {"test": ["test"]}


def test_other_parquet_files_are_all_for_training(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.parquet").write_bytes(b"")
    found = source(str(tmp_path))
    assert found.train is not None and len(walk.parquet_files(found.train)) == 2
    assert source(str(tmp_path / "a.parquet")).train == str(tmp_path / "a.parquet")
    assert source(str(tmp_path / "*.parquet")).train == str(tmp_path / "*.parquet")


def test_a_built_in_name_is_a_built_in_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "digits", TWO)
    assert source("digits") == Source("digits")
    assert source("./digits") == Source("folder", str(tmp_path / "digits"))


@pytest.mark.parametrize("words", ["none", "file.txt", ""])
def test_nothing_of_the_kind_is_one_line(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("x")
    if not words:
        found = source("")  # the current folder, which has no class folders
        with pytest.raises(ValueError, match=r"PHOTOS: .* has no class folders"):
            encoded.folder(str(found.train), "PHOTOS")
        return
    with pytest.raises(ValueError, match=r"PHOTOS: .*; expected a folder with one folder") as error:
        source(words)
    assert "\n" not in str(error.value)
