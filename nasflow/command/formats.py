"""The formats of `nasflow export`: how each is written, and how it is run for the check."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from nasflow.command import standalone
from nasflow.data.image_facts import NAME
from nasflow.deployment.deployable import Deployable, traced
from nasflow.storage.files import write, write_json

if TYPE_CHECKING:
    from onnx import ModelProto

ONNX = ("onnx", "onnxruntime")
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
    """A function that writes a network in one format."""

    def __call__(self, module: Deployable, facts: dict[str, Any], to: Path, like: Tensor) -> str:
        """Write the module, and return what its reader must know besides, or "".

        Args:
            module: the network with its normalisation.
            facts: the content of images.json: class names, mean and std.
            to: the new path.
            like: an example of a batch of images.
        """


def write_pt2(module: Deployable, facts: dict[str, Any], to: Path, like: Tensor) -> str:
    """Write for torch.export: `torch.export.load(file).module()(images)` computes the output.

    The class names stand in the extra file images.json.
    """
    content = BytesIO()  # torch itself raises no OSError where the disk is full
    torch.export.save(traced(module, like), content, extra_files={NAME: json.dumps(facts)})
    write(to, content.getvalue())
    return ""


def run_pt2(file: Path, images: Tensor) -> Tensor:
    """The output of a network that `write_pt2` wrote."""
    with torch.inference_mode():
        result: Tensor = torch.export.load(file).module()(images)
    return result


def write_onnx(module: Deployable, facts: dict[str, Any], to: Path, like: Tensor) -> str:
    """Write for ONNX: the input is `images`, the output is `probabilities` or `logits`.

    The class names stand in the metadata. The returned note says which versions of ONNX the file
    needs.
    """
    missing = [name for name in ONNX if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"--to onnx: {', '.join(missing)} not installed; pip install {' '.join(missing)}"
        )
    return write_message(message(module, facts, uint8=like.dtype == torch.uint8), to)


def message(module: Deployable, facts: dict[str, Any], *, uint8: bool) -> ModelProto:
    """Make the message of ONNX that an export writes.

    Args:
        module: the network with its normalisation.
        facts: the content of images.json, which stands in the metadata.
        uint8: whether the network takes uint8, and not float32.
    """
    import onnx

    from nasflow.deployment.onnx_model import onnx_model

    model = onnx_model(module, integers=uint8)
    text = json.dumps(facts, separators=(",", ":"))
    onnx.helper.set_model_props(model, {NAME: text})
    return model


def write_message(model: ModelProto, to: Path) -> str:
    """Check and write a message of ONNX.

    Args:
        model: the message.
        to: the file.

    Returns:
        Which versions of ONNX it needs, for people.
    """
    import onnx

    onnx.checker.check_model(model, full_check=True)
    write(to, model.SerializeToString(deterministic=True))
    return f"; ONNX IR {model.ir_version}, opset {model.opset_import[0].version}"


def run_onnx(file: Path, images: Tensor) -> Tensor:
    """The output of a network that `write_onnx` wrote."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def write_python(module: Deployable, facts: dict[str, Any], to: Path, like: Tensor) -> str:
    """Write a folder of plain PyTorch: model.py, model.safetensors and images.json."""
    write(to / "model.py", standalone.source(module).encode())
    write(to / "model.safetensors", save(module.state_dict()))
    write_json(to / NAME, {"schema": 1, **facts})
    return ""


def run_python(folder: Path, images: Tensor) -> Tensor:
    """The output of a network of `write_python`, in a process that cannot import nasflow."""
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
ALIASES = {"torch": "python"}  # what people ask for
NAMES = (*FORMS, *ALIASES)
