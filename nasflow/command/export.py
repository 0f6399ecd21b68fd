"""`nasflow export NETWORK --to onnx|pt2|python`: a file that needs no nasflow, checked against it.

What has been written is run on images that it was not traced with, and compared with what nasflow
computes; it gets its name only when both agree.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from nasflow.command import standalone
from nasflow.data.image_facts import NAME, facts_of, stem_of
from nasflow.network.deployable import Deployable, traceable, traced
from nasflow.network.network import Network, forward
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import write, write_json
from nasflow.training.batches import Split

IMAGES = 64  # that the parity check looks at
ALLOWED = 1e-4  # largest difference of probabilities; of logits, as a share of the largest
ONNX = ("onnx", "onnxscript", "onnxruntime")
CHECK = """
import sys
sys.modules["nasflow"] = None  # importing it fails from here on
sys.path.insert(0, sys.argv[1])
import torch
from safetensors.torch import load_file, save_file
from model import load
with torch.inference_mode():
    out = load()(load_file(sys.argv[2])["images"])
save_file({"out": out.contiguous()}, sys.argv[3])
"""


class Form(Protocol):
    def __call__(self, module: Deployable, facts: dict[str, Any], to: Path, like: Tensor) -> None:
        """Write the module to a path that is new; `like` is a batch that it takes."""


def export(
    *,
    network: Path,
    to: str,
    out: Path,
    uint8: bool = False,
    logits: bool = False,
    data: Path | None = None,
) -> int:
    """0, or 1 where what was written computes something else; then nothing stays."""
    write_form, run = FORMS[to]
    if os.path.lexists(out):
        raise ValueError(f"--out: {out} is there already; name a new one")
    if uint8 and to == "python":
        raise ValueError("--uint8: a Python module takes both uint8 and float32; leave it out")
    stem = stem_of(network)
    facts = facts_of(stem, data)
    trained = read_checkpoint(stem).network
    module = Deployable(trained, facts, probabilities=not logits)
    expected = _expected(trained, module)
    images = module.example(IMAGES, integers=uint8, seed=1)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        draft = Path(folder) / out.name
        write_form(module, facts, draft, module.example(2, integers=uint8))
        apart = float((run(draft, images) - expected).abs().max())
        allowed = ALLOWED * max(1.0, float(expected.abs().max()))
        same = apart <= allowed  # not so for NaN
        verdict = "alike" if same else "NOT alike; nothing is kept"
        print(
            f"nasflow: {IMAGES} random images, largest difference {apart:.1e} of the "
            f"{'logits' if logits else 'probabilities'} (allowed {allowed:.1e}): {verdict}"
        )
        if not same:
            return 1
        os.replace(draft, out)
    takes = "uint8 0..255" if uint8 else "float32 0..1" + (" or uint8" if to == "python" else "")
    shape = " x ".join(map(str, images.shape[1:]))
    print(f"nasflow: {out}: images (n x {shape}) {takes}, normalised inside")
    return 0


def _expected(network: Network, module: Deployable) -> Tensor:
    """What nasflow's own engine says to the images of the check."""
    pixels = module.example(IMAGES, integers=True, seed=1).permute(0, 2, 3, 1)
    labels = torch.zeros(IMAGES, dtype=torch.int64)
    split = Split(pixels, labels, module.mean.flatten(), module.std.flatten())
    g, x, buffers, _ = network
    with torch.no_grad():
        logits = forward(g, x, buffers, split.normalise(pixels), training=False)
    return logits.softmax(1) if module.probabilities else logits


def write_pt2(module: Deployable, facts: dict[str, Any], to: Path, like: Tensor) -> None:
    """torch.export.load(file).module()(images); class names in its extra file images.json."""
    torch.export.save(traced(module, like), to, extra_files={NAME: json.dumps(facts)})


def run_pt2(file: Path, images: Tensor) -> Tensor:
    with torch.inference_mode():
        result: Tensor = torch.export.load(file).module()(images)
    return result


def write_onnx(module: Deployable, facts: dict[str, Any], to: Path, like: Tensor) -> None:
    """Input `images`, output `probabilities` or `logits`; class names in its metadata."""
    missing = [name for name in ONNX if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"--to onnx: {', '.join(missing)} not installed; pip install {' '.join(missing)}"
        )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with traceable(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            traced(module, like),
            (like,),
            input_names=["images"],
            output_names=["probabilities" if module.probabilities else "logits"],
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props[NAME] = json.dumps(facts)
    program.save(to)


def run_onnx(file: Path, images: Tensor) -> Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def write_python(module: Deployable, facts: dict[str, Any], to: Path, like: Tensor) -> None:
    """A folder of model.py, model.safetensors and images.json."""
    write(to / "model.py", standalone.source(module).encode())
    write(to / "model.safetensors", save(module.state_dict()))
    write_json(to / NAME, {"schema": 1, **facts})


def run_python(folder: Path, images: Tensor) -> Tensor:
    """In a process that has no nasflow."""
    with tempfile.TemporaryDirectory() as place:
        given, gives = Path(place) / "images", Path(place) / "out"
        save_file({"images": images}, given)
        words = [sys.executable, "-I", "-B", "-c", CHECK, str(folder), str(given), str(gives)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{folder / 'model.py'} does not run: {done.stderr}")
        return load_file(gives)["out"]


FORMS: dict[str, tuple[Form, Any]] = {
    "onnx": (write_onnx, run_onnx),
    "pt2": (write_pt2, run_pt2),
    "python": (write_python, run_python),
}
