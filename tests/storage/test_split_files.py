"""Split files are bit for bit what safetensors writes, and are read without a copy."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from places import ROOT
from safetensors.numpy import save

from nasflow.storage.splits import read_split, write_splits
from nasflow.storage.tensor_file import in_place, tensors

RNG = np.random.default_rng(0)
FACTS = {"mean": [0.5] * 3, "std": [0.2] * 3, "height": 5, "width": 7, "channels": 3}


@pytest.mark.parametrize("count", [1, 3, 12, 100])
def test_files_are_those_of_safetensors(count: int, tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (count, 5, 7, 3), dtype=np.uint8)
    labels = RNG.integers(0, 2, count)
    write_splits(tmp_path, {"train": (images, labels)}, FACTS | {"classes": ["a", "b"]})
    content = (tmp_path / "train.safetensors").read_bytes()
    assert content == save({"images": images, "labels": labels})
    split = read_split(tmp_path, "train", "cpu")
    assert np.array_equal(split.images.numpy(), images)
    assert np.array_equal(split.labels.numpy(), labels)


def test_tensors_in_place_are_views_of_the_content(tmp_path: Path) -> None:
    content = save({"images": np.zeros((2, 3), np.uint8), "labels": np.arange(2)})
    found = in_place(tmp_path, content)
    start = torch.frombuffer(bytearray(content), dtype=torch.uint8)  # only for its length
    assert found.keys() == tensors(tmp_path, content).keys() and len(start) == len(content)
    places = [found[name].untyped_storage().data_ptr() for name in ("images", "labels")]
    assert 0 < places[0] - places[1] < len(content)
    other = save({"images": np.zeros((2, 3), np.float32)})
    assert torch.equal(in_place(tmp_path, other)["images"], torch.zeros(2, 3))


PREPARE = """
import json, resource, sys
import numpy as np
from PIL import Image
from pathlib import Path
from nasflow.stages import preparation
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
preparation.listing(preparation.parse(preparation.Data, {}, "data"))
noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
for name in ("a", "b"):
    Path("photos", name).mkdir(parents=True)
    for i in range(40):
        noise.save(f"photos/{name}/{i}.png")
before = peak()
section = {"source": "folder", "train": "photos", "size": 1024}
preparation._write(preparation.parse(preparation.Data, section, "data"), {}, Path("out"))
assert "torch" not in sys.modules
print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in kB on Linux")
def test_preparation_needs_its_images_once(tmp_path: Path) -> None:
    """80 images of 1024 x 1024 are 252 MB; blocks of 1,024 images would be all of them."""
    done = subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert resource.RUSAGE_SELF == 0 and int(done.stdout) * 1024 < 1.4 * 252e6, done.stdout
