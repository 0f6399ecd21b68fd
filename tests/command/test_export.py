"""What `nasflow export` writes computes what the network computes, or is not kept."""

from __future__ import annotations

import json
from pathlib import Path

import cases
import numpy as np
import pytest
import torch
from places import GOLDEN

import nasflow
from nasflow.__main__ import main
from nasflow.architecture import templates
from nasflow.command import formats as module
from nasflow.command.standalone_pictures import FILTER
from nasflow.data.image_facts import facts_of
from nasflow.deployment.deployable import Deployable
from nasflow.storage.checkpoint import read_checkpoint

NETWORK = GOLDEN / "nasgd/seed_0/final/network"


def export(*words: object) -> int:
    return main(["export", str(NETWORK), *map(str, words)])


def test_a_python_folder_runs_without_nasflow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net"
    assert export("--to", "torch", "--out", out) == 0  # another name of python
    assert {p.name for p in out.iterdir()} == {"model.py", "model.safetensors", "images.json"}
    assert "nasflow" not in "".join(
        line for line in (out / "model.py").read_text().splitlines() if "import" in line
    )
    assert json.loads((out / "images.json").read_text())["resize"] == FILTER
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
    out = tmp_path / "net.onnx"
    assert export("--to", "onnx", "--out", out) == 0
    session = runtime.InferenceSession(out)
    kept = session.get_modelmeta().custom_metadata_map["images.json"]
    assert json.loads(kept)["classes"] == ["a", "b", "c"]
    images = torch.rand(5, 1, 8, 8).numpy()
    assert session.run(["probabilities"], {"images": images})[0].shape == (5, 3)


# onnxruntime 1.16 of September 2023 reads these at most (its page "Compatibility").
OLD_IR, OLD_OPSET = 9, 19


def test_onnx_says_its_versions_and_holds_no_path_of_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx")
    out = tmp_path / "net.onnx"
    assert export("--to", "onnx", "--out", out) == 0
    model = onnx.load(out)
    (opset,) = model.opset_import
    assert f"ONNX IR {model.ir_version}, opset {opset.version}" in capsys.readouterr().out
    assert str(Path(module.__file__).parents[2]).encode() not in out.read_bytes()


@pytest.mark.parametrize("uint8", [False, True])
@pytest.mark.parametrize("name", ["chain7", "airbench", "resnet20", "varied", "morphed"])
def test_every_layer_leaves_as_onnx_for_the_runtimes_of_three_years(
    name: str, uint8: bool, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    rng = np.random.default_rng(0)
    if name in ("varied", "morphed"):
        network = cases.varied(3) if name == "varied" else cases.network(2, 9)
    else:
        network = nasflow.initialise(getattr(templates, name)((2, 9, 9), 5), rng)
    exported, out = Deployable(network, cases.facts(network)), tmp_path / "net.onnx"
    module.write_onnx(exported, {}, out, exported.example(2, integers=uint8))
    onnx.checker.check_model(onnx.load(out), full_check=True)
    assert onnx.load(out).ir_version <= OLD_IR
    assert [(one.domain, one.version <= OLD_OPSET) for one in onnx.load(out).opset_import] == [
        ("", True)
    ]
    images = exported.example(5, integers=uint8, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(
            module.run_onnx(out, images), exported(images), rtol=1e-4, atol=1e-5
        )


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
