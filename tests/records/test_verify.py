"""`nasflow verify`: no change passes unseen, and old results still load."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import timed
from places import TESTS
from tree import finished

from nasflow.__main__ import main
from nasflow.records import story
from nasflow.records.verify import check
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.splits import read_split
from nasflow.storage.tables import SCHEMAS, read_table

GOLDEN = TESTS / "golden"
SCHEMAS_OF_OLD = sorted(path.name for path in GOLDEN.glob("schema_*"))
assert SCHEMAS_OF_OLD


SEARCH = "nasgd/seed_0"


def results(searched: Path) -> list[Path]:
    return sorted(p for p in searched.rglob("*") if p.is_file() and p.name != ".lock")


def damages(content: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Yield the content with one flipped bit (four times), with a cut, and with a hole."""
    for position in rng.integers(0, 8 * len(content), 4):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        yield bytes(flipped)
    yield content[: int(rng.integers(0, len(content)))]
    begin = int(rng.integers(0, len(content) - 1))
    end = int(rng.integers(begin + 1, len(content) + 1))
    yield content[:begin] + bytes(end - begin) + content[end:]


def test_a_finished_search_is_whole_and_every_file_of_it_is_looked_at(
    searched: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = check(searched)
    assert found.broken == {}
    assert found.seen == set(results(searched))
    assert len(found.seen) > 30
    assert main(["verify", str(searched.parent), "-v"]) == 0
    count = len(found.seen)
    assert capsys.readouterr().out == f"nasflow: {count} files checked, none broken\n"


def test_what_the_mirror_keeps_is_none_of_a_search(copied: Path) -> None:
    (copied / "mlartifacts/tiny/models/m-1/artifacts/data").mkdir(parents=True)
    (copied / "mlartifacts/tiny/seed_0").mkdir()
    found = check(copied)
    assert found.broken == {} and all("mlartifacts" not in str(path) for path in found.seen)


def test_any_damage_to_any_file_is_told_with_its_name(copied: Path) -> None:
    rng = np.random.default_rng(1)
    for path in results(copied):
        content = path.read_bytes()
        try:
            for damaged in damages(content, rng):
                if damaged != content:
                    path.write_bytes(damaged)
                    assert list(check(copied).broken) == [str(path)]
        finally:
            path.write_bytes(content)
    assert not check(copied).broken


def test_a_missing_file_is_told(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in results(copied):
        if path.parent.name != "tracking" and path.name != "report.html":  # need not be
            content = path.read_bytes()
            path.unlink()
            assert main(["verify", str(copied)]) == 3
            line, summary = capsys.readouterr().out.splitlines()
            assert line.startswith(f"{path}: ") and summary.endswith(" 1 broken")
            path.write_bytes(content)


def test_whole_files_at_the_wrong_place_are_told(copied: Path) -> None:
    one, two = (copied / SEARCH / f"search/round_{number}" for number in (1, 2))
    for file in one.iterdir():
        if file.is_file():
            shutil.copy(file, two / file.name)
    assert str(two / "status.json") in check(copied).broken
    for part in (".architecture.json", ".safetensors", ".json"):
        shutil.copy(copied / SEARCH / f"pretrain/network{part}", one / f"winner{part}")
    assert str(one / "winner.json") in check(copied).broken


def test_a_search_that_is_not_finished_is_whole(copied: Path) -> None:
    for path in ("final", "search/winner.json", "search/summary.json", "tracking"):
        path = copied / SEARCH / path
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (copied / SEARCH / "search").glob("winner.*"):
        path.unlink()
    (copied / SEARCH / "search/round_2/status.json").unlink()
    (copied / SEARCH / "search/round_2/.resume").mkdir()
    assert not check(copied).broken


def test_rounds_that_were_computed_ahead_are_not_missing(copied: Path) -> None:
    for path in ("final", "tracking"):
        shutil.rmtree(copied / SEARCH / path, ignore_errors=True)
    rounds = copied / SEARCH / "search"
    for path in (*rounds.glob("winner*"), rounds / "summary.json"):
        path.unlink()
    (rounds / "round_2").rename(rounds / "waiting")
    (rounds / "round_2").mkdir()
    (rounds / "waiting").rename(rounds / "round_2/.ahead")
    (rounds / "round_3/.resume").mkdir(parents=True)
    assert not check(copied).broken
    shutil.rmtree(rounds / "round_1")
    assert str(rounds / "round_1/status.json") in check(copied).broken


def test_an_experiment_behind_a_link_is_checked(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = tmp_path / "all"
    top.mkdir()
    (top / "two").symlink_to(copied)
    network = copied / SEARCH / "final/network.safetensors"
    network.write_bytes(network.read_bytes()[:-1] + b"x")
    assert main(["verify", str(top), "-v"]) == 3
    said = capsys.readouterr().out
    assert f"{top / 'two' / SEARCH / 'final/network.safetensors'}: sha256" in said
    assert "unknown" not in said


@pytest.mark.parametrize(
    ("source", "copy"),
    [
        (SEARCH, f"{SEARCH}_old"),
        (f"{SEARCH}/search/round_1", f"{SEARCH}/search/round_1_bak"),
        (f"{SEARCH}/search/round_2", f"{SEARCH}/search/round_02"),
        ("nasgd", "nasgd (copy)"),
        ("data", "data_old"),
        ("nasgd", "backup/nasgd"),
    ],
)
def test_a_copy_beside_results_is_named_once_and_left_alone(
    source: str, copy: str, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    count = len(check(copied).seen)
    shutil.copytree(copied / source, copied / copy)
    shutil.rmtree(copied / copy / "final", ignore_errors=True)
    assert main(["verify", str(copied), "-v"]) == 0
    out, err = capsys.readouterr()
    assert out == f"nasflow: {count} files checked, none broken\n"
    named = copied / copy.removesuffix("/nasgd")
    assert err == f"nasflow: {named}: a copy, by its name; it is left alone and not read\n"
    for command in (["show", str(copied)], ["show", str(copied / SEARCH)]):
        assert main(command) == 0
    assert "(copy)" not in (said := capsys.readouterr().out) and said.count("├─ round 1") == 1
    assert main(["report", str(copied), "--out", str(copied / "page.html")]) == 0
    assert capsys.readouterr().err == err
    assert story.searches(copied) == [("nasgd", 0)]


def test_a_folder_without_results_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"nasflow: verify: {tmp_path}")


@pytest.mark.parametrize("schema", SCHEMAS_OF_OLD)
def test_results_of_older_versions_can_still_be_read(schema: str) -> None:
    golden = GOLDEN / schema
    assert check(golden).broken == {}
    search = golden / SEARCH
    assert read_checkpoint(search / "search/round_1/winner").k == 6
    table = read_table(search / "search/round_1/architectures.parquet")
    assert table.schema.equals(SCHEMAS["architectures.parquet"])
    assert table["died_at"].null_count == len(table)
    assert len(read_split(golden / "data", "train", "cpu")) == 40


def test_a_table_of_latencies_is_looked_at(tmp_path: Path) -> None:
    golden = shutil.copytree(GOLDEN / SCHEMAS_OF_OLD[-1], tmp_path / "golden")
    table = timed.table_at(golden / "latency/table.json")
    found = check(golden)
    assert not found.broken and table in found.seen
    table.write_text(table.read_text().replace("0.001", "0.002"))
    assert list(check(golden).broken) == [str(table)]


@pytest.mark.parametrize("algorithm", ["nasagd", "nash", "halving", "random"])
def test_every_algorithms_results_are_whole(algorithm: str, tmp_path: Path) -> None:
    assert not check(finished(tmp_path / "tiny", 1, algorithm)).broken
