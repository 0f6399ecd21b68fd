"""Damaged, foreign and unwritable files of compiled kernels: they are compiled again."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from nasflow.kernels import code_cache
from nasflow.kernels.code_cache import DIGEST
from nasflow.kernels.rows import compiled

KERNEL = "def double(values):\n    return values * 2\n"


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Runs a kernel as a new process would, and returns how often its code came from the disk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr(code_cache, "_told", set())
    (tmp_path / "kernel.py").write_text(KERNEL)
    spec = importlib.util.spec_from_file_location("kernel", tmp_path / "kernel.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run() -> int:
        kernel = compiled(module.double)
        assert kernel(np.ones(3)).tolist() == [2.0, 2.0, 2.0]
        return sum(kernel.stats.cache_hits.values())

    return run


def _kept(end: str) -> Path:
    (path,) = Path("kept").rglob(f"*.{end}")
    return path


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def _evil(path: Path) -> None:
    """A pickle that runs a program when it is read."""
    path.write_bytes(b"cos\nsystem\n(S'touch PWNED'\ntR.")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path: path.write_bytes(b"garbage" * 99),
    "one byte": _flip,
    "without its sha256": lambda path: path.write_bytes(path.read_bytes()[:-DIGEST]),
    "a pickle of another": _evil,
}


@pytest.mark.parametrize("end", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_compiled_again_and_replaced(
    double: Callable[[], int], damage: str, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [double(), double()] == [0, 1]
    path = _kept(end)
    DAMAGE[damage](path)
    assert [double(), double()] == [0, 1]
    assert not Path("PWNED").exists()
    content = path.read_bytes()
    assert hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("end", ["nbi", "nbc"])
def test_a_missing_file_is_made_again(double: Callable[[], int], end: str) -> None:
    double()
    _kept(end).unlink()
    assert [double(), double()] == [0, 1]


def test_what_numba_cannot_rebuild_is_compiled_again(
    double: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    double()
    with monkeypatch.context() as patch:
        patch.setattr(numba.core.caching.CompileResultCacheImpl, "rebuild", _broken)
        assert double() == 0
    assert double() == 1


def _broken(*_: object) -> Any:
    raise RuntimeError("object of another LLVM")


@pytest.mark.parametrize("end", ["nbi", "nbc"])
def test_a_folder_in_the_place_of_a_file_is_told_in_one_line(
    double: Callable[[], int], end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    double()
    _kept(end).unlink()
    name = next(Path("kept").iterdir()) / _kept_name(end)
    name.mkdir()
    assert [double(), double()] == [0, 0]
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "compiled kernels cannot be kept" in said
    assert "is a folder; expected a file" in said and "NUMBA_CACHE_DIR" in said


def _kept_name(end: str) -> str:
    """The name of the missing one of the two files."""
    (other,) = Path("kept").rglob("*.nbc" if end == "nbi" else "*.nbi")
    stem = other.name.removesuffix(".1.nbc").removesuffix(".nbi")
    return f"{stem}.nbi" if end == "nbi" else f"{stem}.1.nbc"


def test_a_full_disk_is_told_in_one_line(
    double: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    assert [double(), double()] == [0, 0]
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "(No space left on device)" in said
    assert not list(Path("kept").rglob("*.tmp.*"))


def test_no_folder_at_all_costs_the_time_to_compile(
    double: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("kept").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    monkeypatch.setattr(
        numba.core.caching.InTreeCacheLocator, "from_function", classmethod(lambda *_: None)
    )
    assert double() == 0
