"""`nasflow verify`: nothing that was changed passes, and what was written long ago still loads."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save
from tree import finished

from nasflow.__main__ import main
from nasflow.config.compare import FILES as COMPARISON
from nasflow.records.verify import check
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import CorruptFile, read_json, write, write_json, write_page
from nasflow.storage.splits import SPLITS, read_split
from nasflow.storage.tables import SCHEMAS, read_table, write_table

GOLDEN = Path(__file__).parent / "golden"
SEARCH = "nasgd/seed_0"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    experiment = finished(tmp_path_factory.mktemp("results") / "tiny")
    write_page(experiment / "report.html", "<html>of a search</html>")
    names = [name for name in COMPARISON if name != "files.json"]
    files = {name: write(experiment / "comparison" / name, b"[1]\n") for name in names}
    write_json(experiment / "comparison/files.json", {"schema": 1, "files": files})
    return experiment


@pytest.fixture
def copy(tree: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tree, tmp_path / "results"))


def results(tree: Path) -> list[Path]:
    return sorted(p for p in tree.rglob("*") if p.is_file() and p.name != ".lock")


def damages(content: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Four flipped bits, a cut and a hole, each alone."""
    for position in rng.integers(0, 8 * len(content), 4):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        yield bytes(flipped)
    yield content[: int(rng.integers(0, len(content)))]
    begin = int(rng.integers(0, len(content) - 1))
    end = int(rng.integers(begin + 1, len(content) + 1))
    yield content[:begin] + bytes(end - begin) + content[end:]


def test_a_finished_search_is_whole_and_every_file_of_it_is_looked_at(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = check(tree)
    assert found.broken == {}
    assert found.seen == set(results(tree))
    assert main(["verify", str(tree.parent), "-v"]) == 0
    count = len(found.seen)
    assert capsys.readouterr().out == f"nasflow: {count} files checked, none broken\n"


def test_what_the_mirror_keeps_is_none_of_a_search(copy: Path) -> None:
    (copy / "mlartifacts/tiny/models/m-1/artifacts/data").mkdir(parents=True)
    (copy / "mlartifacts/tiny/seed_0").mkdir()
    found = check(copy)
    assert found.broken == {} and all("mlartifacts" not in str(path) for path in found.seen)


def test_any_damage_to_any_file_is_told_with_its_name(tree: Path) -> None:
    rng = np.random.default_rng(1)
    for path in results(tree):
        content = path.read_bytes()
        try:
            for damaged in damages(content, rng):
                if damaged != content:
                    path.write_bytes(damaged)
                    assert list(check(tree).broken) == [str(path)]
        finally:
            path.write_bytes(content)
    assert not check(tree).broken


def test_no_bit_of_a_json_record_can_change_unseen(tree: Path, tmp_path: Path) -> None:
    content = (tree / SEARCH / "final/network.json").read_bytes()
    path = tmp_path / "network.json"
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises(CorruptFile):
            read_json(path)


def test_a_missing_file_is_told(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in results(tree):
        if path.parent.name != "tracking" and path.name != "report.html":  # need not be
            content = path.read_bytes()
            path.unlink()
            assert main(["verify", str(tree)]) == 3
            line, summary = capsys.readouterr().out.splitlines()
            assert line.startswith(f"{path}: ") and summary.endswith(" 1 broken")
            path.write_bytes(content)


def test_whole_files_at_the_wrong_place_are_told(copy: Path) -> None:
    one, two = (copy / SEARCH / f"search/round_{number}" for number in (1, 2))
    for file in one.iterdir():
        if file.is_file():
            shutil.copy(file, two / file.name)
    assert str(two / "status.json") in check(copy).broken
    for part in (".architecture.json", ".safetensors", ".json"):
        shutil.copy(copy / SEARCH / f"pretrain/network{part}", one / f"winner{part}")
    assert str(one / "winner.json") in check(copy).broken


def test_a_search_that_is_not_finished_is_whole(copy: Path) -> None:
    for path in ("final", "search/winner.json", "search/summary.json", "tracking"):
        path = copy / SEARCH / path
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (copy / SEARCH / "search").glob("winner.*"):
        path.unlink()
    (copy / SEARCH / "search/round_2/status.json").unlink()
    (copy / SEARCH / "search/round_2/.resume").mkdir()
    assert not check(copy).broken


def test_a_folder_without_results_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"nasflow: verify: {tmp_path}")


@pytest.mark.parametrize("schema", sorted(p.name for p in GOLDEN.glob("schema_*")))
def test_what_older_versions_wrote_is_read_for_ever(schema: str) -> None:
    golden = GOLDEN / schema
    assert check(golden).broken == {}
    search = golden / SEARCH
    assert read_checkpoint(search / "search/round_1/winner").k == 6
    table = read_table(search / "search/round_1/architectures.parquet")
    assert table.schema.equals(SCHEMAS["architectures.parquet"])
    assert table["died_at"].null_count == len(table)
    assert len(read_split(golden / "data", "train", "cpu")) == 40


def test_newer_versions_are_refused_with_their_number(copy: Path) -> None:
    for path in sorted(copy.rglob("*.json")):
        data = read_json(path)
        if "schema" in data:
            write_json(path, data | {"schema": 2})
            with pytest.raises(CorruptFile, match="schema 2; this nasflow reads schema 1;") as told:
                read_json(path)
            assert str(told.value).startswith(f"{path}: ")
    path = copy / SEARCH / "search/round_1/architectures.parquet"
    table = pq.read_table(path).replace_schema_metadata({"nasflow.schema": "3"})
    pq.write_table(table, path, write_page_checksum=True)
    with pytest.raises(CorruptFile, match="schema 3; this nasflow reads schema 1 to 2;"):
        read_table(path)


def test_tables_of_another_form_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    write_table(path, [{"step": 1, "tau": float("inf"), "train_loss": float("nan")}])
    table = read_table(path)
    assert table["tau"].null_count == table["train_loss"].null_count == 1
    step = table.schema.get_field_index("step")
    for other, complaint in (
        (table.drop_columns(["tau"]), "columns"),
        (table.append_column("more", pa.array([1])), "columns"),
        (table.set_column(step, "step", pa.array([1], pa.int32())), "columns"),
        (table.set_column(3, "train_loss", pa.array([float("nan")])), "train_loss is not finite"),
    ):
        pq.write_table(other, path, write_page_checksum=True)
        with pytest.raises(CorruptFile, match=complaint):
            read_table(path)


def test_weights_that_do_not_fit_or_are_not_finite_are_refused(copy: Path) -> None:
    stem = copy / SEARCH / "pretrain/network"
    file, manifest = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    tensors, facts = load_file(file), read_json(manifest)
    name = "parameters.1.weight"
    for other, complaint in (
        (tensors | {name: tensors[name] * float("nan")}, "not finite"),
        (tensors | {name: tensors[name].double()}, "float64"),
        (tensors | {name: tensors[name][1:]}, "do not fit"),
        (tensors | {"parameters.99.weight": torch.zeros(1)}, "do not fit"),
        ({n: t for n, t in tensors.items() if n != name}, "do not fit"),
    ):
        files = facts["files"] | {file.name: write(file, save(other))}
        write_json(manifest, facts | {"files": files})
        with pytest.raises(CorruptFile, match=complaint):
            read_checkpoint(stem)


def test_a_pickle_is_never_read(copy: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1 / 0",)

    stem = copy / SEARCH / "pretrain/network"
    file, manifest = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    facts = read_json(manifest)
    sha256 = write(file, pickle.dumps(Bomb()))
    write_json(manifest, facts | {"files": facts["files"] | {file.name: sha256}})
    with pytest.raises(CorruptFile, match="not safetensors"):
        read_checkpoint(stem)


@pytest.mark.parametrize("algorithm", ["nasagd", "nash", "halving", "random"])
def test_every_algorithms_results_are_whole(algorithm: str, tmp_path: Path) -> None:
    assert not check(finished(tmp_path / "tiny", 1, algorithm)).broken


@pytest.mark.parametrize("split", SPLITS)
def test_splits_are_checked_against_what_data_json_says(copy: Path, split: str) -> None:
    folder = copy / "data"
    facts = read_json(folder / "data.json")
    write_json(folder / "data.json", facts | {"classes": ["a", "b"]})
    with pytest.raises(CorruptFile, match="of 2 classes"):
        read_split(folder, split, "cpu")
