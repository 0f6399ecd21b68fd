"""The generated model.py reads a picture, and names it, as `nasflow predict` does."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

import nasflow
from nasflow.architecture.templates import chain
from nasflow.command import standalone
from nasflow.command.predict import predicted, read_pictures
from nasflow.data.walk import Candidate
from nasflow.deployment.deployable import Deployable

ORIENTATION = 274


def deployable(image: tuple[int, int, int], probabilities: bool = True) -> Deployable:
    """Return a network with random weights, whose probabilities differ from picture to picture."""
    network = nasflow.initialise(chain((4, 4), 3, image, 3), np.random.default_rng(0))
    shape = dict(zip(("channels", "height", "width"), image, strict=True))
    moments = {"mean": [0.5] * image[0], "std": [0.2] * image[0]}
    facts = {"classes": ["a", "b\x1b[2J", "c"], **shape, **moments}
    return Deployable(network, facts, probabilities=probabilities)


def written(module: Deployable, folder: Path) -> dict[str, Any]:
    """Write model.py with its weights, run it, and return its names."""
    folder.mkdir(exist_ok=True)
    (folder / "model.py").write_text(standalone.source(module))
    (folder / "model.safetensors").write_bytes(save(module.state_dict()))
    space: dict[str, Any] = {"__file__": str(folder / "model.py"), "__name__": "model"}
    exec(compile((folder / "model.py").read_text(), "model.py", "exec"), space)
    return space


def scene(mode: str, width: int, height: int) -> Image.Image:
    """Return a picture in which every place has another colour, and one half is transparent."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    noise = np.random.default_rng(width).integers(0, 60, (height, width))
    layers = [x, y, (255 - x) * 0.7 + noise, np.where(x > y, 255, 0)]
    whole = Image.fromarray(np.stack(layers, 2).clip(0, 255).astype(np.uint8), "RGBA")
    if mode == "PA":  # a palette with a transparent colour
        return whole.convert("RGB").quantize(60)
    return whole if mode == "RGBA" else whole.convert("RGB").convert(mode)


CASES = [
    *((mode, "png", size, {}) for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
      for size in ((8, 8), (37, 19), (200, 321))),
    *(("RGB", "jpg", (90, 61), {"turned": turn}) for turn in range(1, 9)),
    ("RGB", "tif", (40, 30), {"turned": 6}),
    ("RGB", "png", (40, 30), {"turned": 5}),
    ("L", "jpg", (33, 70), {"turned": 8}),
    ("CMYK", "jpg", (50, 40), {}),
    ("P", "gif", (50, 40), {}),
    ("RGBA", "webp", (50, 40), {}),
    ("RGB", "bmp", (5, 3), {}),
    ("L", "pgm", (70, 71), {}),
]  # fmt: skip


def drawn(folder: Path) -> list[Path]:
    """Write a file for each of CASES."""
    files = []
    for number, (mode, ending, size, more) in enumerate(CASES):
        picture, options = scene(mode, *size), {}
        if "turned" in more:
            exif = Image.Exif()
            exif[ORIENTATION] = more["turned"]
            options["exif"] = exif
        if mode == "PA":
            options["transparency"] = bytes(range(60))
        files.append(folder / f"{number:02}_{mode}.{ending}")
        picture.save(files[-1], **options)
    return files


@pytest.mark.parametrize("image", [(3, 12, 12), (1, 12, 12)])
def test_a_picture_gets_the_same_label_and_probabilities(
    image: tuple[int, int, int], tmp_path: Path
) -> None:
    module = deployable(image)
    space = written(module, tmp_path / "net")
    files = drawn(tmp_path)
    found = predicted(module, [Candidate(file) for file in files])
    assert len(found.files) >= (len(files) if image[0] == 3 else 7)
    chances = dict(zip(found.files, found.found, strict=True))
    assert len({round(float(row[0]), 4) for row in chances.values()}) > len(chances) // 2
    for file in files:
        if file not in chances:
            with pytest.raises(ValueError, match=r"3 channels; the network takes 1"):
                space["read"](file)
            continue
        own = space["predict"](str(file))
        assert next(iter(own)) == module.classes[int(chances[file].argmax())]
        assert [own[name] for name in module.classes] == pytest.approx(chances[file], abs=1e-5)
        assert list(own.values()) == sorted(own.values(), reverse=True)
        pixels = torch.from_numpy(read_pictures([file], module)).permute(0, 3, 1, 2)
        assert torch.equal(space["read"](file), pixels)


def test_logits_become_probabilities(tmp_path: Path) -> None:
    scene("RGB", 20, 20).save(tmp_path / "x.png")
    space = written(deployable((3, 12, 12), probabilities=False), tmp_path / "net")
    assert sum(space["predict"](tmp_path / "x.png").values()) == pytest.approx(1.0, abs=1e-5)


def test_very_large_pictures_are_reduced_in_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nasflow.command import standalone_pictures
    from nasflow.data import picture

    for module in (picture, standalone_pictures):
        monkeypatch.setattr(module, "WHOLE", 5_000)
    network = deployable((3, 12, 12))
    space = written(network, tmp_path / "net")
    for file in (tmp_path / "x.png", tmp_path / "x.jpg"):
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        scene("RGB", 203, 155).save(file, exif=exif)
        pixels = torch.from_numpy(read_pictures([file], network)).permute(0, 3, 1, 2)
        assert torch.equal(space["read"](file), pixels)


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_more_than_8_bits_are_refused_as_nasflow_refuses_them(mode: str, tmp_path: Path) -> None:
    file = tmp_path / ("x.png" if mode == "I;16" else "x.tif")
    Image.fromarray(np.full((12, 12), 7, {"I;16": np.uint16, "F": np.float32}[mode])).save(file)
    space = written(deployable((1, 12, 12)), tmp_path / "net")
    with pytest.raises(ValueError, match="expected 8 bits per channel"):
        space["read"](file)


def test_an_image_that_is_not_square_must_fit(tmp_path: Path) -> None:
    space = written(deployable((3, 8, 10)), tmp_path / "net")
    stream = io.BytesIO()
    scene("RGB", 10, 8).save(stream, "PNG")
    assert space["read"](stream).shape == (1, 3, 8, 10)
    scene("RGB", 8, 10).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match=r"\(8, 10\) pixels; the network takes \(10, 8\)"):
        space["read"](tmp_path / "x.png")


def test_a_network_of_other_channels_has_no_pictures() -> None:
    text = standalone.source(deployable((2, 12, 12)))
    assert "def predict" not in text and "Pillow" not in text and "import sys" not in text


def test_model_py_is_a_program_that_needs_torch_and_pillow_alone(tmp_path: Path) -> None:
    written(deployable((3, 12, 12)), tmp_path / "net")
    scene("RGBA", 30, 20).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture")
    program = (
        "import runpy, sys\n"
        "for name in ('nasflow', 'numpy', 'safetensors'): sys.modules[name] = None\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "net/model.py")]
    done = subprocess.run(
        [*command, "good.png", "bad.png"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("good.png  ") and done.stdout.count("\n") == 1
    assert "\x1b" not in done.stdout
    assert done.stderr.startswith("bad.png: ") and done.stderr.count("\n") == 1
