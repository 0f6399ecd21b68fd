"""What a search in memory has found: its summary, and what people do with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import SEARCH, TRAINED

import nasflow
from nasflow.__main__ import main
from nasflow.command import formats
from nasflow.stages.found import Found

SECTIONS = {
    "base": {"widths": [4, 4]},
    "pretrain": {"batch_size": 8, "epochs": 1.0},
    "search": SEARCH,
    "final": TRAINED,
}
NAMES = np.array(["ant", "bee", "cat"])


def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (80, 8, 8, 3)).astype(np.uint8), NAMES[np.arange(80) % 3]


@pytest.fixture(scope="module")
def found() -> Found:
    return nasflow.run_search(*arrays(), **SECTIONS, budget={"rounds": 1})


def pictures(folder: Path) -> list[Path]:
    """Write files of several sizes and modes."""
    images, files = arrays()[0][:4], []
    for number, (image, mode) in enumerate(zip(images, ("RGB", "L", "RGBA", "P"), strict=True)):
        sizes = (8 + 9 * number, 8 + 5 * number)
        files.append(folder / f"{number}.png")
        Image.fromarray(image).resize(sizes).convert(mode).save(files[-1])
    return files


def test_a_search_is_shown_in_a_few_short_lines(found: Found) -> None:
    lines = repr(found).splitlines()
    assert len(lines) <= 12 and max(map(len, lines)) <= 100
    text, status = str(found), found.lineage[0]
    for part in (
        "1 round, of which ",
        f"{found.network.architecture.parameters:,} parameters",
        f"{found.done['validation_accuracy']:.2%}",
        f"{found.seconds:.1f}",
        "3: ant, bee, cat",
        status["morphism"] or f"{found.base.architecture.parameters:,}",
    ):
        assert part in text
    many = [status | {"winner": 1, "morphism": "deepen", "site": "1,5"}] * 90
    long = found._replace(lineage=many, facts=found.facts | {"classes": ["\x1b[2J" * 9] * 500})
    assert max(map(len, repr(long).splitlines())) <= 100 and "\x1b" not in repr(long)


def test_the_summary_says_where_the_validation_images_were_trained_on(found: Found) -> None:
    final = found.experiment.final.model_copy(update={"use_validation": True})
    experiment = found.experiment.model_copy(update={"final": final})
    said = repr(found._replace(experiment=experiment))
    assert f"{found.lineage[-1]['validation_accuracy']:.2%} after the last round" in said
    assert "the final training used these images" in said


def test_what_is_saved_is_what_the_commands_take(
    found: Found, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = found.save(tmp_path / "net")
    kept = nasflow.read_checkpoint(folder / "network").network
    assert all(torch.equal(t, kept.x[name]) for name, t in found.network.x.items())
    files = pictures(tmp_path)
    assert main(["predict", str(folder), *map(str, files), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    labels, chances = found.predict(files), found.probabilities([str(file) for file in files])
    assert [row["label"] for row in said] == labels.tolist()
    for row, own in zip(said, chances, strict=True):
        assert [row["probabilities"][name] for name in NAMES] == pytest.approx(own, abs=1e-5)
    before = (folder / "network.json").read_bytes()
    with pytest.raises(ValueError, match=r"net'?: not empty; expected a new or an empty folder"):
        found.save(folder)
    assert (folder / "network.json").read_bytes() == before


def test_arrays_and_paths_are_seen_alike(found: Found, tmp_path: Path) -> None:
    images, files = arrays()[0][:3], []
    for number, image in enumerate(images):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    expected = found.probabilities(images)
    np.testing.assert_allclose(found.probabilities(files), expected, atol=1e-6)
    np.testing.assert_allclose(found.probabilities(np.array(files)), expected, atol=1e-6)
    assert found.predict(files[1]).tolist() == found.predict(images[1:2]).tolist()
    large = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)
    for number, image in enumerate(large):
        Image.fromarray(image).save(files[number])
    np.testing.assert_allclose(found.probabilities(files), found.probabilities(large), atol=1e-6)
    grey = images[..., 0]
    np.testing.assert_array_equal(
        found.probabilities(grey), found.probabilities(np.repeat(grey[..., None], 3, axis=3))
    )
    with pytest.raises(ValueError, match="a folder; expected pictures"):
        found.predict(tmp_path)
    with pytest.raises(ValueError, match="no regular file"):
        found.predict("gone.png")
    with pytest.raises(ValueError, match="2 channels; the network takes 3"):
        found.predict(images[..., :2])


def test_an_export_says_how_far_it_is_from_nasflow(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = found.export(to="pt2", out=tmp_path / "net.pt2")
    assert done.out.is_file() and done.alike and 0.0 <= done.difference <= done.allowed
    program = torch.export.load(done.out).module()
    images = torch.from_numpy(arrays()[0][:2]).permute(0, 3, 1, 2).float() / 255.0
    with torch.inference_mode():
        np.testing.assert_allclose(program(images), found.probabilities(arrays()[0][:2]), atol=1e-5)
    with pytest.raises(ValueError, match=r"^out: .* is there already"):
        found.export(to="pt2", out=tmp_path / "net.pt2")
    with pytest.raises(ValueError, match=r"^to: 'jax'; expected one of onnx, pt2, python, torch$"):
        found.export(to="jax", out=tmp_path / "x")

    def other(folder: Path, given: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(given), 3)

    monkeypatch.setitem(formats.FORMS, "python", (formats.write_python, other))
    with pytest.raises(ValueError, match="NOT alike; nothing is kept"):
        found.export(to="torch", out=tmp_path / "net")
    assert not (tmp_path / "net").exists()


def test_eight_bits_are_measured_on_validation_images(found: Found, tmp_path: Path) -> None:
    done = found.export(to="onnx", out=tmp_path / "net.onnx", int8=True, max_drop=100.0)
    assert done.eight_bits is not None and done.out.stat().st_size == done.eight_bits.int8.size
    assert f"accuracy on {len(found.validation)} validation images" in done.note
    with pytest.raises(ValueError, match=r"^int8: pt2 has no eight bits; expected to onnx$"):
        found.export(to="pt2", out=tmp_path / "net.pt2", int8=True)
