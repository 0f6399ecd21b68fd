"""Results and pictures of somebody else end a command with one line, whatever is in them."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import foreign
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from nasflow.__main__ import main
from nasflow.architecture.architecture import Architecture
from nasflow.architecture.diagram import diagram
from nasflow.architecture.node import Node
from nasflow.command import standalone
from nasflow.data.image_facts import facts_of, read_facts
from nasflow.planning.survey import survey
from nasflow.records.verify import check
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.contents import verified
from nasflow.storage.files import CorruptFile, read_json, write_json
from nasflow.storage.record import MissingKey
from nasflow.storage.tables import HISTORY, VERSION, read_table, write_table
from nasflow.storage.tensor_file import tensors

SEARCH = "nasgd/seed_0"
STATUS = f"{SEARCH}/pretrain/status.json"
ESC = "\x1b]0;title\x07\x1b[2J"


@pytest.fixture(scope="module")
def shared(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished experiment and a picture, which the trials change and put back."""
    copy = Path(shutil.copytree(searched, tmp_path_factory.mktemp("shared") / "tiny"))
    Image.new("L", (8, 8), 99).save(copy / "picture.png")
    return copy


@settings(
    max_examples=100,
    derandomize=True,  # the torture target draws others
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**64))
def test_no_change_of_a_record_ends_a_command_with_a_traceback(shared: Path, seed: int) -> None:
    found = foreign.trial(shared, random.Random(seed))
    assert found.code in foreign.CODES, found


def test_the_untouched_search_is_read_by_every_reader(shared: Path) -> None:
    codes = {name: foreign.code_of(name, shared) for name in foreign.READERS}
    (shared / "page.html").unlink()
    assert set(codes.values()) == {0}, codes


def change(path: Path, **facts: Any) -> None:
    write_json(path, json.loads(path.read_text()) | facts)


def said(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 3) -> str:
    """Run a command, and return its one line of error."""
    assert main([str(word) for word in arguments]) == code
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err and "\x07" not in out + err
    assert len(err.splitlines()) == 1 and len(err) < 2000
    return err


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        (STATUS, "validation_accuracy", 1.5),
        (STATUS, "seconds", "1"),
        (STATUS, "steps", True),
        (STATUS, "started", 1e300),
        (STATUS, "files", {"../../x": "0"}),
        (f"{SEARCH}/search/summary.json", "rounds", 10**9),
        (f"{SEARCH}/search/summary.json", "reason", "tired"),
        (f"{SEARCH}/search/round_1/status.json", "reason", ESC),
        (f"{SEARCH}/final/metrics.json", "classes", [{"name": {"expr": "1+1"}}]),
        (f"{SEARCH}/final/metrics.json", "files", {"/etc/hostname": "00"}),
        ("data/data.json", "std", [0]),
        ("data/data.json", "classes", [{"expr": "1+1"}, "b", "c"]),
        ("data/data.json", "height", ESC),
        ("data/data.json", "files", {"x\x1b[31m/../y": "00"}),
    ],
)
def test_a_record_of_wrong_values_names_file_and_key(
    copied: Path, capsys: pytest.CaptureFixture[str], name: str, key: str, value: Any
) -> None:
    change(copied / name, **{key: value})
    with pytest.raises(CorruptFile, match=rf"{Path(name).name}: {key}[^\n]+; rerun"):
        read_json(copied / name)
    assert str(copied / name) in check(copied).broken
    assert main(["verify", str(copied)]) == 3
    assert "\x1b" not in capsys.readouterr().out
    words = said(capsys, "report", copied, "--out", copied / "page.html")
    assert Path(name).name in words and not (copied / "page.html").exists()


def test_a_record_that_lacks_a_key_is_one_line(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads((copied / STATUS).read_text())
    del data["parameters"]
    write_json(copied / STATUS, data)
    assert "no key 'parameters'" in said(capsys, "show", copied / SEARCH)
    with pytest.raises(MissingKey):
        read_json(copied / STATUS)["parameters"]


def test_records_that_do_not_fit_one_another_are_one_line(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(copied / SEARCH / "search/round_1/status.json", winner=77, children=99)
    assert "do not fit one another" in said(capsys, "show", copied / SEARCH)


@pytest.mark.parametrize("text", ["[" * 200_000, "{" * 9, "NaN", '{"a": 1e999}', "7" * 5000, "[[]"])
def test_what_is_no_record_is_one_line(
    copied: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (copied / SEARCH / "final/metrics.json").write_text(text)
    assert "metrics.json: not JSON" in said(capsys, "show", copied / SEARCH)
    assert main(["verify", str(copied)]) == 3


def test_deep_and_large_records_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[" * 30 + "]" * 30)
    (tmp_path / "b.json").write_text(" " * 8_000_001)
    for name, words in (("a", "nested too deep"), ("b", "expected at most")):
        with pytest.raises(CorruptFile, match=words):
            read_json(tmp_path / f"{name}.json")


LINKS: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link": lambda path: path.symlink_to("/etc/hostname"),
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize(
    "name",
    ["pretrain/status.json", "final/metrics.json", "pretrain/network.architecture.json",
     "pretrain/history.parquet", "pretrain/network.safetensors", "pretrain/network.json"],
)  # fmt: skip
def test_what_is_no_regular_file_is_not_opened(copied: Path, kind: str, name: str) -> None:
    path = copied / SEARCH / name
    path.unlink()
    LINKS[kind](path)
    began = time.monotonic()
    assert str(path) in check(copied).broken
    assert time.monotonic() - began < 20
    with pytest.raises(CorruptFile, match=r"no regular file|symbolic link|missing"):
        verified(path, "0")


def test_a_network_cannot_bring_a_program(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stem, mark = copied / SEARCH / "final/network", tmp_path / "MARK"
    path = stem.with_name("network.architecture.json")
    spec = json.loads(path.read_text())
    spec["nodes"][1]["id"] = f"1 = [open({str(mark)!r}, 'w')][0]"
    path.write_text(json.dumps(spec))
    foreign.agree(path)
    words = said(capsys, "export", stem, "--to", "python", "--out", tmp_path / "out")
    assert "architecture: node at place 1: id" in words
    assert not mark.exists() and not (tmp_path / "out").exists()


def test_generated_code_refuses_what_is_no_name_or_number() -> None:
    from nasflow.command.standalone import _check

    bad: Any = Node("1 = x", "conv", (0,), 4, 3)  # type: ignore[arg-type]
    wide: Any = Node(1, "conv", (0,), "4", 3)  # type: ignore[arg-type]
    for node in (bad, wide):
        g: Any = type("Graph", (), {"nodes": (node,), "shapes": {node.id: (4, 8, 8)}})
        with pytest.raises(ValueError, match="node"):
            _check(g)
    assert standalone.source


def test_a_picture_of_a_network_escapes_its_size() -> None:
    nodes = (Node(0, "image", (), 1), Node(1, "head", (0,), 2))
    g = Architecture(nodes, ("<script>x</script>", 8))  # type: ignore[arg-type]
    assert "<script>" not in diagram(g)


def test_a_report_reads_only_the_network_that_its_manifest_names(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copied / SEARCH / "search/round_1/winner.architecture.json"
    text = path.read_text()
    path.write_text(text.replace('"kernel": 3', '"kernel": 5', 1))
    assert path.read_text() != text
    words = said(capsys, "report", copied, "--out", copied / "page.html")
    assert "winner.architecture.json: sha256" in words


def test_a_page_may_not_be_left_and_sends_no_form(tiny: Path, tmp_path: Path) -> None:
    assert main(["report", str(tiny), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "; base-uri 'none'; form-action 'none'\"" in page


def test_data_are_looked_for_in_the_experiment_only(copied: Path, tmp_path: Path) -> None:
    stem = copied / SEARCH / "pretrain/network"
    own = facts_of(stem)
    shutil.copytree(copied / "data", tmp_path / "data")
    change(tmp_path / "data/data.json", classes=["x", "y", "z"])
    assert facts_of(stem) == own
    shutil.rmtree(copied / "data")
    with pytest.raises(ValueError, match=r"no data/data\.json in its experiment"):
        facts_of(stem)
    change(tmp_path / "data/data.json", classes=[7])
    with pytest.raises(CorruptFile, match="classes"):
        read_facts(tmp_path / "data/data.json")


def test_nothing_printed_commands_a_terminal(
    copied: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    change(copied / STATUS, stage=ESC)
    change(copied / "data/data.json", counts={ESC: [1, 2, 3]})
    (copied / f"x{ESC}.txt").write_text("")
    facts = json.loads((copied / SEARCH / "final/images.json").read_text())
    write_json(copied / SEARCH / "final/images.json", facts | {"classes": [ESC, "b", "c"]})
    picture = tmp_path / f"p{ESC[1:3]}\x1b[2J.png"
    Image.new("L", (8, 8)).save(picture, "PNG")
    final = copied / SEARCH / "final/network"
    for command in (
        ["show", copied],
        ["show", copied / SEARCH / "pretrain/network"],
        ["verify", copied, "-v"],
        *(["predict", final, picture, *more] for more in ([], ["--csv"], ["--json"])),
    ):
        main([str(word) for word in command])
        out, err = capsys.readouterr()
        assert out + err and "\x1b" not in out + err and "\x07" not in out + err


def test_a_table_of_many_equal_rows_is_refused_by_its_footer(tmp_path: Path) -> None:
    path, rows = tmp_path / "history.parquet", 1_000_000
    schema = HISTORY.with_metadata({VERSION: "1"})
    table = pa.table({f.name: pa.array(np.ones(rows), f.type) for f in schema}, schema=schema)
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)
    assert path.stat().st_size < 100_000
    with pytest.raises(CorruptFile, match="1000000 rows"):
        read_table(path)


def test_a_table_of_one_long_text_in_every_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "architectures.parquet"
    write_table(path, [{"node": i, "morphism": "x" * 100_000} for i in range(1000)])
    assert path.stat().st_size < 200_000
    with pytest.raises(CorruptFile, match="bytes of text"):
        read_table(path)


def test_a_header_of_very_many_names_takes_no_time(tmp_path: Path) -> None:
    fact = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    for count, words in ((30_000, None), (200_000, "names")):
        head = json.dumps({f"a.{i}": fact for i in range(count)}).encode()
        content = struct.pack("<Q", len(head)) + head
        began = time.process_time()
        if words is None:
            assert len(tensors(tmp_path, content)) == count
        else:
            with pytest.raises(CorruptFile, match="expected at most"):
                tensors(tmp_path, content)
        assert time.process_time() - began < 3
    with pytest.raises(CorruptFile, match="not safetensors"):
        tensors(tmp_path, struct.pack("<Q", 400_000) + b"[" * 400_000)


def test_init_refuses_a_label_beyond_all_images_and_a_pipe(tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("L", (8, 8)).save(picture, "PNG")
    labels = [0, 1] * 9 + [0, 10**11]
    table = pa.table({"image": [picture.getvalue()] * 20, "label": labels})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"no train image of class 2; .* without gaps"):
        survey("parquet", tmp_path / "a.parquet", None)
    for name in ("x/a.png", *(f"y/{i}.png" for i in range(9))):
        (tmp_path / "top" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "top" / name).write_bytes(picture.getvalue())
    (tmp_path / "top/x/a.png").unlink()
    os.mkfifo(tmp_path / "top/x/a.png")
    with pytest.raises(ValueError, match="no regular file"):
        survey("folder", tmp_path / "top", None)


def test_a_manifest_of_a_network_that_would_fill_the_memory(copied: Path) -> None:
    stem = copied / SEARCH / "final/network"
    path = stem.with_name("network.architecture.json")
    spec = json.loads(path.read_text())
    convs = [node for node in spec["nodes"] if node["op"] == "conv"]
    for node in convs:
        node["width"] = 60_000
    path.write_text(json.dumps(spec))
    write_json(
        stem.with_name("network.json"),
        json.loads(stem.with_name("network.json").read_text())
        | {"files": {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
                     for p in (path, stem.with_name("network.safetensors"))}},
    )  # fmt: skip
    with pytest.raises(CorruptFile, match=r"parameters: [0-9]+; expected at most"):
        read_checkpoint(stem)
