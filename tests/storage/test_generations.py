"""A kept state is whole, or the one before it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import torch
from powercut import die_at
from small import results, sketch

from nasflow.storage.attempt import attempt
from nasflow.storage.generations import clear, generations, write_generation
from nasflow.storage.interruption import Stopped


def _stop(run: Callable[..., None], folder: Path, out: Path, **options: Any) -> None:
    with pytest.raises(Stopped):
        run(folder, out, **options)


def _damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _newest(out: Path) -> Path:
    return max((out / ".resume").glob("*-*"), key=lambda p: int(p.name.split("-")[0]))


@pytest.mark.parametrize("file", ["manifest.json", "arrays.safetensors", "sibling_1.safetensors"])
def test_a_flipped_bit_in_the_newest_state_brings_back_the_one_before(
    file: str,
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    stop: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop(5, every="0")
    _stop(small.one_round, folder, tmp_path)
    assert len(list((tmp_path / ".resume").glob("*-*"))) == 2
    _damage(_newest(tmp_path) / file)
    stop()
    small.one_round(folder, tmp_path)
    said = capsys.readouterr().err
    assert f"{file}: sha256" in said
    assert "goes on after step 4" in said
    assert results(tmp_path) == whole["nasgd"]


def test_death_at_any_file_operation_of_a_save_leaves_the_old_or_the_new_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for operation in range(1, 1000):
        here = tmp_path / str(operation)
        for step in (1, 2):
            write_generation(here, sketch(step), {})
        died = die_at(operation, lambda here=here: write_generation(here, sketch(3), {}))
        found = [g.snapshot for g in generations(here)]
        assert found[0].step in (2, 3)
        for s in found:
            expected = sketch(s.step)
            assert repr(s.facts) == repr(expected.facts)
            assert all(np.array_equal(s.arrays[n], a, True) for n, a in expected.arrays.items())
            assert torch.equal(s.siblings[1]["x"], torch.ones(3))
        assert {p.name for p in here.iterdir()} == {g.name for g in generations(here)}
        if not died:
            break
    assert operation > 10
    assert capsys.readouterr().err == ""


def _photos(folder: Path) -> Path:
    """Make folders and files whose names look like those of states."""
    for name in ("2024-05-01", "7.1", "12-abc.tmp"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.jpg").write_text("x")
    (folder / "notes.tmp").write_text("x")
    return folder


def test_a_state_folder_that_is_a_link_is_refused_and_nothing_behind_it_is_deleted(
    tmp_path: Path,
) -> None:
    photos = _photos(tmp_path / "photos")
    before = sorted(photos.rglob("*"))
    stage = tmp_path / "pretrain"
    stage.mkdir()
    (stage / ".resume").symlink_to(photos)
    expected = pytest.raises(ValueError, match=r"\.resume: a symbolic link")
    with expected, attempt(stage, {"stage": "pretrain"}, "cpu"):
        pass
    with pytest.raises(ValueError, match=r"\.resume: a symbolic link"):
        write_generation(stage / ".resume", sketch(1), {})
    assert sorted(photos.rglob("*")) == before


def test_names_that_are_not_ours_stay_in_the_folder_of_states(tmp_path: Path) -> None:
    photos = _photos(tmp_path / "photos")
    before = sorted(photos.rglob("*"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.jpg").write_text("x")
    for step in (1, 2, 3):
        write_generation(photos, sketch(step), {})
    for name in (f"9-{'0' * 64}", "9.1.tmp"):
        (photos / name).symlink_to(tmp_path / "elsewhere")
    assert [found.snapshot.step for found in generations(photos)] == [3, 2]
    clear(photos)
    (photos / f"9-{'0' * 64}").unlink()
    assert sorted(photos.rglob("*")) == before
    assert (tmp_path / "elsewhere/a.jpg").exists()
