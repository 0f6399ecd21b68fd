"""A split that is given in a file decides image by image."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from image_files import prepared_data, refused_data, split_table


def test_a_saved_split_is_made_again_whatever_the_seed(photos: Path, tmp_path: Path) -> None:
    source: dict[str, Any] = {"source": "folder", "train": str(photos), "size": 8}
    facts = prepared_data(tmp_path / "first", **source)
    rows = split_table(tmp_path / "first")
    assert sorted(row["image"] for row in rows) == sorted(
        str(path) for path in photos.rglob("*.png")
    )
    path = str(tmp_path / "first/split.csv")
    again = prepared_data(tmp_path / "again", **source, split=path, split_seed=7, test_fraction=0.5)
    assert again == facts
    other = prepared_data(tmp_path / "other", **source, split_seed=7)
    assert other["files"] != facts["files"]


def test_an_own_split_decides_image_by_image(photos: Path, tmp_path: Path) -> None:
    source: dict[str, Any] = {"source": "folder", "train": str(photos), "size": 8}
    images = sorted(photos.rglob("*.png"))
    last = {path.name: "test" for path in images if path.name.endswith("7.png")}
    lines = [f'"{path}",{last.get(path.name, "train")}' for path in images]
    lines[0] = lines[0].removesuffix("train") + "validation"
    (tmp_path / "mine.csv").write_text("\ufeffimage,split\n" + "\n".join(lines), encoding="utf-8")
    facts = prepared_data(tmp_path / "data", **source, split=str(tmp_path / "mine.csv"))
    assert sum(facts["counts"]["test"]) == len(last)
    assert sum(facts["counts"]["validation"]) == 1
    for name, words in {
        f"image\n{images[0]}": ["columns image; expected image and split"],
        f"image,split\n{images[0]},dev": ["line 2: split 'dev'", "train, validation, test"],
        f"image,split\n{images[0]},test\n{images[0]},train": ["line 3", "once more"],
        f"image,split\n{images[0]},test": [f"'{images[1]}' and", "not listed"],
        "\n".join(["image,split", *lines, "gone.png,test"]): ["'gone.png' is listed but not there"],
        "\n".join(["image,split", *(f'"{path}",train' for path in images)]): ["no image in valid"],
    }.items():
        (tmp_path / "mine.csv").write_text(name)
        refused_data("data.split", *words, **source, split=str(tmp_path / "mine.csv"))
    refused_data("is no file", "columns image and split", **source, split="gone.csv")


def test_a_validation_folder_is_used_whole_and_no_file_may_add_to_it(
    photos: Path, tmp_path: Path
) -> None:
    parts = {name: str(tmp_path / name) for name in ("train", "validation", "test")}
    for path in parts.values():
        shutil.copytree(photos, path)
    shutil.rmtree(tmp_path / "validation" / "zero")
    facts = prepared_data(tmp_path / "data", source="folder", size=8, **parts)
    per_class = [len(list(entry.iterdir())) for entry in sorted(photos.iterdir())]
    assert facts["counts"]["train"] == facts["counts"]["test"] == per_class
    assert facts["counts"]["validation"] == [*per_class[:4], 0]
    saved = str(tmp_path / "data/split.csv")
    again = prepared_data(tmp_path / "again", source="folder", size=8, split=saved, **parts)
    assert again["files"] == facts["files"]
    text = Path(saved).read_text().replace(",train\n", ",test\n", 1)
    (tmp_path / "wrong.csv").write_text(text)
    refused_data(
        "but data.test is given",
        source="folder",
        size=8,
        split=str(tmp_path / "wrong.csv"),
        **parts,
    )
