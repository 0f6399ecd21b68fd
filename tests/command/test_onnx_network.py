"""`nasflow predict` runs a file of `nasflow export --to onnx`, and refuses all others in a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from places import GOLDEN

from nasflow.__main__ import main
from nasflow.command import onnx_network as module

NETWORK = GOLDEN / "nasgd/seed_0/final/network"
Alter = Callable[[Any], None]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pictures") / "one.png"
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8)
    Image.fromarray(pixels).save(file)
    return file


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "net.onnx"
    assert main(["export", str(NETWORK), "--to", "onnx", "--out", str(out)]) == 0
    return out


def predicted(network: Path, picture: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    assert main(["predict", str(network), str(picture), "--json"]) == 0
    found: dict[str, float] = json.loads(capsys.readouterr().out)[0]["probabilities"]
    return found


@pytest.mark.parametrize(
    ("options", "apart"),
    [((), 1e-5), (("--uint8", "--logits"), 1e-5), (("--int8", "--uint8"), 0.05)],
)
def test_an_exported_file_predicts_what_its_checkpoint_does(
    options: tuple[str, ...],
    apart: float,
    tmp_path: Path,
    picture: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "net.onnx"
    allowed = ("--max-drop", "100") if "--int8" in options else ()
    words = ["export", str(NETWORK), "--to", "onnx", "--out", str(out), *options, *allowed]
    assert main(words) == 0
    capsys.readouterr()
    expected = predicted(NETWORK, picture, capsys)
    assert predicted(out, picture, capsys) == pytest.approx(expected, abs=apart)


def inside(op: str, *, domain: str = "", **attributes: Any) -> Alter:
    """Put an operation behind the output of the network."""

    def alter(model: Any) -> None:
        name = model.graph.output[0].name
        model.graph.node[-1].output[0] = "before"
        model.graph.node.append(
            helper.make_node(op, ["before"], [name], domain=domain, **attributes)
        )

    return alter


def no_metadata(model: Any) -> None:
    del model.metadata_props[:]


def foreign_metadata(model: Any) -> None:
    model.metadata_props[0].value = "[" * 100_000


def other_classes(model: Any) -> None:
    facts = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps(facts | {"classes": ["a"]})


def external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def short_weights(model: Any) -> None:
    model.graph.initializer[2].raw_data = b"\0\0\0\0"


def loops(model: Any) -> None:
    body = helper.make_graph([], "body", [], [])
    inside("Flatten", body=body)(model)


def huge_map(model: Any) -> None:
    amounts = np.array([0, 0, 0, 0, 0, 0, 60_000, 60_000])
    model.graph.initializer.append(numpy_helper.from_array(amounts, "amounts"))
    first = model.graph.node[0]
    pad = helper.make_node("Pad", ["images", "amounts"], ["padded"])
    first.input[0] = "padded"
    nodes = [pad, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@pytest.mark.parametrize(
    ("alter", "line"),
    [
        (no_metadata, "no images.json in its metadata"),
        (foreign_metadata, "damaged images.json in its metadata"),
        (other_classes, r"output \(3,\), which its metadata do not fit"),
        (external, "weights in another file, which is not read"),
        (short_weights, "damaged"),
        (inside("Loop"), "operator Loop, which nasflow does not write"),
        (inside("Gelu", domain="com.microsoft"), "operators that are not those of ONNX"),
        (loops, "an attribute that is no number and no text"),
        (inside("Flatten", axis=7), "damaged"),
        (huge_map, "a map of it has more than"),
    ],
)
def test_other_files_are_refused_in_one_line(
    alter: Alter,
    line: str,
    written: Path,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = onnx.load(written)
    alter(model)
    file = tmp_path / "other.onnx"
    file.write_bytes(model.SerializeToString())
    refused(file, picture, line, capsys)


def refused(file: Path, picture: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    import re

    capsys.readouterr()
    assert main(["predict", str(file), str(picture)]) == 2
    err = capsys.readouterr().err
    assert re.search(line, err), err
    assert err.startswith("nasflow: ") and err.count("\n") == 1 and len(err) < 600


def test_what_is_no_onnx_file_is_refused_in_one_line(
    written: Path,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content, file = written.read_bytes(), tmp_path / "cut.onnx"
    for part in (b"", b"no onnx", content[:-7], content[: len(content) // 2]):
        file.write_bytes(part)
        refused(file, picture, "expected a file of nasflow export", capsys)
    refused(tmp_path / "gone.onnx", picture, "no regular file there", capsys)
    monkeypatch.setattr(module, "LARGEST", len(content) - 1)
    refused(written, picture, f"{len(content)} bytes; expected at most", capsys)


def test_a_damaged_byte_gives_a_line_or_an_answer(
    written: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, rng = written.read_bytes(), np.random.default_rng(0)
    file = tmp_path / "damaged.onnx"
    for place in rng.integers(len(content), size=40):
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        file.write_bytes(changed)
        code = main(["predict", str(file), str(picture)])
        err = capsys.readouterr().err
        assert code == 0 or (code == 2 and err.count("\n") == 1), err


def test_facts_are_not_taken_from_elsewhere(
    written: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(written), str(picture), "--data", str(GOLDEN / "data/data.json")]
    assert main(words) == 2
    assert "an exported file holds these facts itself" in capsys.readouterr().err
