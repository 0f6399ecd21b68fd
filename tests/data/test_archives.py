"""No archive is unpacked outside of its folder, on old and on new releases of Python."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import pytest

from nasflow.data.archives import safe_archives


@pytest.fixture(params=["with the filter of PEP 706", "without it"])
def release(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release of Python: 3.11.3 and older ones have no filter."""
    if request.param == "without it":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    elif not hasattr(tarfile, "data_filter"):
        pytest.skip("this release has no filter")


def archive(folder: Path, name: str, link: str | None = None) -> Path:
    """Write an archive with one member, which is a symbolic link where a target is given."""
    member = tarfile.TarInfo(name)
    member.size = 0 if link else 5
    if link:
        member.type, member.linkname = tarfile.SYMTYPE, link
    with tarfile.open(folder / "a.tar", "w") as tar:
        tar.addfile(member, io.BytesIO(b"" if link else b"bytes"))
    return folder / "a.tar"


def unpack(file: Path, folder: Path) -> None:
    """Unpack as torchvision does."""
    with safe_archives(), tarfile.open(file) as tar:
        tar.extractall(folder)


@pytest.mark.usefixtures("release")
@pytest.mark.parametrize(
    ("name", "link"), [("../evil", None), ("a/../../evil", None), ("out", "../evil")]
)
def test_what_leads_out_of_the_folder_is_refused(
    name: str, link: str | None, tmp_path: Path
) -> None:
    file = archive(tmp_path, name, link)
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(tarfile.TarError):
        unpack(file, inside)
    assert list(inside.rglob("*")) == [] and not (tmp_path / "evil").exists()


@pytest.mark.usefixtures("release")
def test_an_absolute_name_writes_nothing_outside(tmp_path: Path) -> None:
    file, inside = archive(tmp_path, f"{tmp_path}/evil"), tmp_path / "inside"
    inside.mkdir()
    with contextlib.suppress(tarfile.TarError):  # refused, or unpacked without the first slash
        unpack(file, inside)
    assert not (tmp_path / "evil").exists()


@pytest.mark.usefixtures("release")
def test_files_of_the_folder_are_unpacked_and_afterwards_all_is_as_before(tmp_path: Path) -> None:
    before = dict(vars(tarfile.TarFile))
    unpack(archive(tmp_path, "a/b.txt"), tmp_path / "inside")
    assert (tmp_path / "inside/a/b.txt").read_bytes() == b"bytes"
    assert dict(vars(tarfile.TarFile)) == before
