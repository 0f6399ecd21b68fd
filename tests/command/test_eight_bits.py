"""`nasflow export --int8` tells what eight bits cost, and keeps no file that costs too much."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cases
import numpy as np
import onnx
import pytest
import torch
from places import GOLDEN

from nasflow.__main__ import main
from nasflow.command import eight_bits as module
from nasflow.command.eight_bits import Samples
from nasflow.command.export import Exported, exported
from nasflow.deployment.deployable import Deployable
from nasflow.training.batches import Split

NETWORK = GOLDEN / "nasgd/seed_0/final/network"
# The measurement of somebody who has the file and pictures, and no nasflow.
ELSEWHERE = """
import json, sys
sys.modules["nasflow"] = sys.modules["torch"] = None  # importing them fails from here on
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
facts = json.loads(session.get_modelmeta().custom_metadata_map["images.json"])
images, labels = numpy.load(sys.argv[2]), numpy.load(sys.argv[3])
assert images.shape[1:] == (facts["height"], facts["width"], facts["channels"])
images = images.transpose(0, 3, 1, 2)
if session.get_inputs()[0].type == "tensor(float)":
    images = images.astype("float32") / numpy.float32(255)
found = session.run(None, {"images": images})[0]
assert found.shape[1] == len(facts["classes"])
print((found.argmax(1) == labels).sum(), len(labels))
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    from nasflow.deployment import onnx_session

    monkeypatch.setattr(onnx_session, "PASSES", 1)


def samples(module: Deployable) -> Samples:
    """Random images, each with the label that the network in float32 gives it."""
    pixels = module.example(300, integers=True, seed=3)
    with torch.no_grad():
        labels = module(pixels).argmax(1)
    moments = module.mean.flatten(), module.std.flatten()
    split = Split(pixels.permute(0, 2, 3, 1).contiguous(), labels, *moments)
    return Samples(module.example(32, integers=True), split, "test")


def write(out: Path, *, uint8: bool = False, max_drop: float = 100.0) -> tuple[Exported, Samples]:
    network = cases.network(0, 2)
    facts = cases.facts(network)
    images = samples(Deployable(network, facts))
    done = exported(
        *(network, facts, "onnx", out), uint8=uint8, logits=False, samples=images, max_drop=max_drop
    )
    return done, images


@pytest.mark.parametrize("uint8", [False, True])
def test_the_file_has_the_accuracy_of_the_table_without_nasflow(
    tmp_path: Path, uint8: bool
) -> None:
    out = tmp_path / "net.onnx"
    done, images = write(out, uint8=uint8)
    told = done.eight_bits
    assert told is not None and done.kept
    assert told.float32.accuracy == 1.0 and 0.5 < told.int8.accuracy < 1.0
    np.save(tmp_path / "images.npy", images.tested.images.numpy())
    np.save(tmp_path / "labels.npy", images.tested.labels.numpy())
    words = [sys.executable, "-I", "-B", "-c", ELSEWHERE, out]
    words += [tmp_path / "images.npy", tmp_path / "labels.npy"]
    ran = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    right, count = map(int, ran.stdout.split())
    assert (right / count, out.stat().st_size) == (told.int8.accuracy, told.int8.size)
    assert told.int8.milliseconds > 0.0


def test_what_costs_too_much_is_not_kept_and_the_remedy_is_told(tmp_path: Path) -> None:
    done, _ = write(tmp_path / "net.onnx", max_drop=0.5)
    told = done.eight_bits
    assert told is not None and told.drop > 0.5 and not done.kept
    assert f"costs {told.drop:.2f} points of accuracy, more than --max-drop 0.5" in done.note
    assert "nothing is kept" in done.note and "--max-drop" in done.note.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def export(*words: object) -> int:
    return main(["export", *map(str, words)])


def test_the_command_prints_a_table_and_gives_the_same_bytes_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "one.onnx", tmp_path / "two.onnx"]
    for file in files:
        assert export(NETWORK, "--to", "onnx", "--int8", "--out", file, "--max-drop", 100) == 0
    said = capsys.readouterr().out
    size = files[0].stat().st_size
    assert re.search(rf"^int8 +\d+\.\d\d % +{size:,} +\d\.\d+$", said, re.MULTILINE)
    assert re.search(r"^float32 +\d+\.\d\d % ", said, re.MULTILINE)
    assert "accuracy on 16 test images; calibrated on 40 training images" in said
    assert files[0].read_bytes() == files[1].read_bytes()
    assert {one.domain for one in onnx.load(files[0]).opset_import} == {""}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--to", "pt2", "--int8"), "--int8: pt2 has no eight bits; expected --to onnx"),
        (("--to", "onnx", "--max-drop", "2"), "--max-drop: it says what eight bits may cost"),
        (("--to", "onnx", "--int8", "--max-drop", "nan"), "--max-drop: nan; expected 0 to 100"),
        (("--to", "onnx", "--int8", "--max-drop", "-1"), "--max-drop: -1.0; expected 0 to 100"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    words: tuple[str, ...], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(NETWORK, *words, "--out", tmp_path / "net") == 2
    err = capsys.readouterr().err
    assert err.startswith(f"nasflow: {line}") and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_its_images_a_network_cannot_be_quantised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in NETWORK.parent.glob("network.*"):
        shutil.copy(file, tmp_path)
    facts = GOLDEN / "data/data.json"
    shutil.copy(facts, tmp_path / "images.json")
    words = (tmp_path / "network", "--to", "onnx", "--int8", "--out", tmp_path / "net.onnx")
    assert export(*words) == 2
    err = capsys.readouterr().err
    assert "its prepared images (data/train.safetensors) are gone" in err and err.count("\n") == 1
    assert export(*words, "--data", facts, "--max-drop", 100) == 0


def test_without_test_images_the_validation_images_are_taken(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(GOLDEN / "data", folder)
    (folder / "test.safetensors").unlink()
    found = module.samples_of(NETWORK, module.image_facts(module.read_facts(folder)), folder)
    assert found.name == "validation"


def test_the_images_of_another_network_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images.json").write_text(
        (GOLDEN / "data/data.json").read_text().replace("0.4", "0.5")
    )
    for file in (GOLDEN / "data").glob("*.safetensors"):
        shutil.copy(file, tmp_path)
    shutil.copy(GOLDEN / "data/data.json", tmp_path)
    words = ("--to", "onnx", "--int8", "--out", tmp_path / "net.onnx", "--data")
    assert export(NETWORK, *words, tmp_path / "images.json") == 2
    assert "other images than those of the network" in capsys.readouterr().err
