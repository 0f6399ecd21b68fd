"""What `nasflow export` writes computes what the network computes, or is not kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from places import GOLDEN

from nasflow.__main__ import main
from nasflow.command import export as module
from nasflow.data.image_facts import facts_of
from nasflow.network.deployable import Deployable
from nasflow.storage.checkpoint import read_checkpoint

NETWORK = GOLDEN / "nasgd/seed_0/final/network"


def export(*words: object) -> int:
    return main(["export", str(NETWORK), *map(str, words)])


def test_a_python_folder_runs_without_nasflow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net"
    assert export("--to", "python", "--out", out) == 0
    assert {p.name for p in out.iterdir()} == {"model.py", "model.safetensors", "images.json"}
    assert "nasflow" not in "".join(
        line for line in (out / "model.py").read_text().splitlines() if "import" in line
    )
    assert "largest difference" in (said := capsys.readouterr().out) and "alike" in said
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert export("--to", "python", "--out", out) == 2
    assert "is there already" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_pt2_takes_any_batch_and_carries_its_classes(tmp_path: Path) -> None:
    out = tmp_path / "net.pt2"
    assert export("--to", "pt2", "--out", out, "--uint8") == 0
    extra = {"images.json": ""}
    program = torch.export.load(out, extra_files=extra)
    assert json.loads(extra["images.json"])["classes"] == ["a", "b", "c"]
    for count in (1, 3):
        images = torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8)
        assert torch.allclose(program.module()(images).sum(1), torch.ones(count))


def test_onnx_takes_any_batch_and_carries_its_classes(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    out = tmp_path / "net.onnx"
    assert export("--to", "onnx", "--out", out) == 0
    session = runtime.InferenceSession(out)
    kept = session.get_modelmeta().custom_metadata_map["images.json"]
    assert json.loads(kept)["classes"] == ["a", "b", "c"]
    images = torch.rand(5, 1, 8, 8).numpy()
    assert session.run(["probabilities"], {"images": images})[0].shape == (5, 3)


@pytest.mark.parametrize(("wrong", "code"), [(0.0, 0), (1e-3, 1), (float("nan"), 1)])
def test_what_is_not_alike_is_not_kept(
    wrong: float,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = Deployable(read_checkpoint(NETWORK).network, facts_of(NETWORK))

    def run(folder: Path, images: torch.Tensor) -> torch.Tensor:
        assert (folder / "model.py").is_file()
        with torch.no_grad():
            return own(images) + wrong

    monkeypatch.setitem(module.FORMS, "python", (module.write_python, run))
    assert export("--to", "python", "--out", tmp_path / "net") == code
    assert ("NOT alike; nothing is kept" in capsys.readouterr().out) == bool(code)
    assert [p.name for p in tmp_path.iterdir()] == ["net"] * (not code)


def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "ONNX", ("onnx_of_tomorrow",))
    assert export("--to", "onnx", "--out", tmp_path / "net.onnx") == 2
    assert "onnx_of_tomorrow not installed; pip install" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
