"""One rule says which files count: for the listing, the reader, the survey and predict."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from image_files import noise, parquet, png, save_png

from nasflow.config.data import Data
from nasflow.data import encoded, walk
from nasflow.data.listing import listing
from nasflow.planning.survey import survey

LITTER = (
    *("Thumbs.db", "thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", ".DS_Store"),
    *("._000.png", ".directory", ".gitkeep", "Icon\r", "Picasa.ini"),
    "000.png:Zone.Identifier",
)
LITTERED = ("@eaDir", "__MACOSX", ".ipynb_checkpoints", "$RECYCLE.BIN", "lost+found", "#recycle")


def folder(top: Path, count: int = 6) -> Path:
    for label in ("one", "zero"):
        for index, image in enumerate(noise(count)):
            save_png(top / label / f"{index:03}.png", image)
    return top


def data(top: Path) -> Data:
    return Data(source="folder", train=str(top))


def seen(top: Path) -> list[str]:
    """What all readers see; they must agree."""
    read = [Path(name) for name in encoded.folder(str(top), "data.train").names]
    assert survey("folder", top, None).images == len(read)
    predicted = [one.path for one in walk.pictures_below(top) if not one.problem and not one.note]
    assert predicted == read
    return [str(path.relative_to(top)) for path in read]


@pytest.mark.parametrize("place", ["", "one"])
def test_litter_is_seen_by_nobody(place: str, tmp_path: Path) -> None:
    top = folder(tmp_path / "photos")
    before, names = listing(data(top)), seen(top)
    assert len(names) == 12
    for name in LITTER:
        (top / place / name).write_text("x")
        (top / place / f".{name}").symlink_to("/nowhere")
    for name in LITTERED:
        (top / place / name).mkdir()
        (top / place / name / "000.png").write_text("x")
        (top / place / name / "more").symlink_to("..")
    assert (listing(data(top)), seen(top)) == (before, names)


def test_notes_and_pipes_beside_the_class_folders_are_seen_by_nobody(tmp_path: Path) -> None:
    top = folder(tmp_path / "photos")
    before, names = listing(data(top)), seen(top)
    for name in ("README.txt", "labels.csv", "LICENSE"):
        (top / name).write_text("x")
    assert (listing(data(top)), seen(top)) == (before, names)
    os.mkfifo(top / "pipe")
    assert listing(data(top)) == before
    assert len(encoded.folder(str(top), "data.train").names) == 12


def test_a_class_folder_behind_a_link_is_as_good_as_a_folder(tmp_path: Path) -> None:
    real, top = folder(tmp_path / "real"), tmp_path / "photos"
    top.mkdir()
    for name in ("one", "zero"):
        (top / name).symlink_to(f"../real/{name}")
    (tmp_path / "all").symlink_to("photos")
    assert seen(top) == seen(real) == seen(tmp_path / "all")
    assert listing(data(top)) == listing(data(real)) == listing(data(tmp_path / "all"))
    states = [listing(data(top))]
    save_png(real / "zero/new.png", noise(1)[0])
    states.append(listing(data(top)))
    (real / "zero/new.png").write_bytes(png(noise(1)[0]) + b"x")
    states.append(listing(data(top)))
    (real / "zero/new.png").unlink()
    assert len(set(states)) == 3
    assert listing(data(top)) == states[0]


def test_a_picture_behind_a_link_changes_with_its_file(tmp_path: Path) -> None:
    top = folder(tmp_path / "photos")
    save_png(tmp_path / "store/a.png", noise(1)[0])
    (top / "one/linked.png").symlink_to("../../store/a.png")
    before = listing(data(top))
    assert "one/linked.png" in seen(top)
    (tmp_path / "store/a.png").write_bytes(png(noise(1)[0]) + b"x")
    assert listing(data(top)) != before


def _nested(top: Path) -> None:
    (top / "one/more").mkdir()


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "gone beside": (lambda top: (top / "old").symlink_to("/nowhere"), "old: a link that leads now"),
    "gone": (lambda top: (top / "one/x.png").symlink_to("/nowhere"), r"x\.png: a link that leads"),
    "self": (lambda top: (top / "one/x.png").symlink_to("x.png"), r"x\.png: a link that leads now"),
    "self class": (lambda top: (top / "x").symlink_to("x"), "x: a link that leads nowhere"),
    "loop": (lambda top: (top / "x").symlink_to("."), "x: a link that leads back to a folder"),
    "loop up": (lambda top: (top / "x").symlink_to(".."), "x: a link that leads back to a folder"),
    "loop in": (lambda top: (top / "one/x").symlink_to(".."), "x: a link that leads back to a"),
    "folder": (_nested, "'.*more' is a folder in a class folder; .* point data.train at the"),
    "linked": (lambda top: (top / "one/x").symlink_to("../zero"), "x' is a folder in a class"),
    "pipe": (lambda top: os.mkfifo(top / "one/p.png"), r"p\.png: no regular file; expected a"),
    "device": (lambda top: (top / "one/d").symlink_to("/dev/zero"), "d: no regular file"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_a_picture_is_refused_alike_by_all(kind: str, tmp_path: Path) -> None:
    top = folder(tmp_path / "photos")
    before = listing(data(top))
    BAD[kind][0](top)
    readers: tuple[Callable[[], object], ...] = (
        lambda: listing(data(top)),
        lambda: encoded.folder(str(top), "data.train"),
    )
    for reader in readers:
        with pytest.raises(ValueError, match=BAD[kind][1]) as caught:
            reader()
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=BAD[kind][1].replace("data.train", "--train")):
        survey("folder", top, None)
    shutil.rmtree(top)
    assert before is not None and listing(data(top)) is None, "no folder: the data are kept"


def test_all_refused_entries_are_counted(tmp_path: Path) -> None:
    top = folder(tmp_path / "photos")
    for name in ("one/x.png", "zero/y.png", "zero/z.png"):
        (top / name).symlink_to("/nowhere")
    with pytest.raises(ValueError, match=r"one/x\.png: a link .* \(2 more are refused too\)"):
        listing(data(top))


def test_a_folder_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = folder(tmp_path / "photos")

    def refuse(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match=r"data\.train: '.*photos' cannot be read \(Permission d"):
        listing(data(top))


def test_parquet_files_are_the_same_for_the_listing_and_the_reader(tmp_path: Path) -> None:
    contents = [png(image) for image in noise(4)]
    for name in ("a/0.parquet", "b/c/1.parquet"):
        parquet(tmp_path / "shards" / name, contents, [0, 1] * 2)
    (tmp_path / "shards/Thumbs.db").write_text("x")
    (tmp_path / "shards/loop").symlink_to(".")
    (tmp_path / "shards/b/back").symlink_to("../a")
    pattern = str(tmp_path / "shards/**/*.parquet")
    assert len(encoded.parquet(pattern, "data.train").names) == 8, "no file is read twice"
    assert walk.parquet_files(f"{tmp_path}/shards/*.db") == []
    one = Data(source="parquet", train=pattern)
    before = listing(one)
    (tmp_path / "shards/desktop.ini").write_text("x")
    assert listing(one) == before is not None
    parquet(tmp_path / "shards/b/2.parquet", contents, [0, 1] * 2)
    assert listing(one) != before
    (tmp_path / "shards/b/gone.parquet").symlink_to("/nowhere")
    with pytest.raises(ValueError, match=r"gone\.parquet: cannot be read \(No such file"):
        listing(one)
    with pytest.raises(ValueError, match=r"gone\.parquet: no regular file"):
        encoded.parquet(pattern, "data.train")
