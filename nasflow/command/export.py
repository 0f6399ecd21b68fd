"""The command `nasflow export`: write a network as a file that needs no nasflow.

The file is checked before it gets its name: it is run on images with which it was not traced, and
must give what nasflow gives. (To trace a network is to record its operations on an example.)
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
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from nasflow.command import standalone
from nasflow.command.standalone_pictures import FILTER
from nasflow.data.image_facts import NAME, facts_of, stem_of
from nasflow.deployment.deployable import Deployable, traced
from nasflow.network.float32 import traceable
from nasflow.network.network import Network, forward
from nasflow.printable import shown
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import consistent, write, write_json
from nasflow.training.batches import Split

IMAGES = 64  # number of images in the check
ALLOWED = 1e-4  # largest difference of probabilities; for logits it is times the largest logit
ONNX = ("onnx", "onnxscript", "onnxruntime")
# The operators of 2023, which all layers of a network can be written in: onnxruntime reads them
# since 1.14, together with version 8 of the format (IR).
OPSET = 18
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


class Exported(NamedTuple):
    """What became of an export.

    Attributes:
        out: the new file or folder.
        difference: the largest difference between its output and that of nasflow, on IMAGES images.
        allowed: the largest difference that is allowed.
        note: the difference and what the images must be, one line for each, for people.
    """

    out: Path
    difference: float
    allowed: float
    note: str

    @property
    def alike(self) -> bool:
        """Whether the written network computes what nasflow computes; otherwise it is not kept."""
        return self.difference <= self.allowed  # false for NaN


def export(
    *,
    network: Path,
    to: str,
    out: Path,
    uint8: bool = False,
    logits: bool = False,
    data: Path | None = None,
) -> int:
    """Write a network for use without nasflow, and check it.

    Args:
        network: a checkpoint's stem, one of its files, or the folder of its stage.
        to: the format, a key of FORMS, or `torch`, which is another name of `python`.
        out: the file to write (python: the folder); it must be new.
        uint8: whether the written network takes uint8, and not float32.
        logits: whether it gives logits, and not probabilities.
        data: data.json of the training, where it is not found.

    Returns:
        0; or 1 if the written network computes something else, and then nothing is kept.

    Raises:
        ValueError: if `out` exists, or an option does not fit the format.
    """
    check(to, out, uint8=uint8)
    stem = stem_of(network)
    with consistent(stem):
        facts = facts_of(stem, data)
        trained = read_checkpoint(stem).network
    done = exported(trained, facts, to, out, uint8=uint8, logits=logits)
    print(done.note)
    return 0 if done.alike else 1


def check(to: str, out: Path, *, uint8: bool, flags: str = "--") -> None:
    """Raise ValueError for arguments of an export that are wrong.

    Args:
        to: the format.
        out: what to write.
        uint8: whether the written network shall take uint8.
        flags: what stands before the names of arguments in messages.
    """
    if to not in NAMES:
        raise ValueError(f"{flags}to: {shown(to)}; expected one of {', '.join(NAMES)}")
    if os.path.lexists(out):
        raise ValueError(f"{flags}out: {out} is there already; name a new one")
    if uint8 and ALIASES.get(to, to) == "python":
        raise ValueError(
            f"{flags}uint8: a Python module takes both uint8 and float32; leave it out"
        )


def exported(
    network: Network, facts: dict[str, Any], to: str, out: Path, *, uint8: bool, logits: bool
) -> Exported:
    """Write a network, and keep it if it computes what nasflow computes.

    Args:
        network: the trained network, on the CPU.
        facts: what images.json says about its images.
        to: the format, one of NAMES.
        out: the file to write (python: the folder); it must be new.
        uint8: whether the written network takes uint8, and not float32.
        logits: whether it gives logits, and not probabilities.
    """
    to = ALIASES.get(to, to)
    module = Deployable(network, facts, probabilities=not logits)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        draft = Path(folder) / out.name
        told = facts | {"resize": FILTER}
        note = FORMS[to][0](module, told, draft, module.example(2, integers=uint8))
        done = _compared(draft, to, network, module, uint8)
        if not done.alike:
            return done
        os.replace(draft, out)
    takes = "uint8 0..255" if uint8 else "float32 0..1" + (" or uint8" if to == "python" else "")
    shape = " x ".join(map(str, module.example(1, integers=uint8).shape[1:]))
    more = f"nasflow: {out}: images (n x {shape}) {takes}, normalised inside{note}"
    return done._replace(out=out, note=f"{done.note}\n{more}")


def _compared(draft: Path, to: str, trained: Network, module: Deployable, uint8: bool) -> Exported:
    """Compare what the written network and nasflow compute."""
    expected = _expected(trained, module)
    images = module.example(IMAGES, integers=uint8, seed=1)
    apart = float((FORMS[to][1](draft, images) - expected).abs().max())
    done = Exported(draft, apart, ALLOWED * max(1.0, float(expected.abs().max())), "")
    verdict = "alike" if done.alike else "NOT alike; nothing is kept"
    what = "probabilities" if module.probabilities else "logits"
    note = (
        f"nasflow: {IMAGES} random images, largest difference {apart:.1e} of the "
        f"{what} (allowed {done.allowed:.1e}): {verdict}"
    )
    return done._replace(note=note)


def _expected(network: Network, module: Deployable) -> Tensor:
    """What nasflow's own engine computes from the images of the check."""
    pixels = module.example(IMAGES, integers=True, seed=1).permute(0, 2, 3, 1)
    labels = torch.zeros(IMAGES, dtype=torch.int64)
    split = Split(pixels, labels, module.mean.flatten(), module.std.flatten())
    g, x, buffers, _ = network
    with torch.no_grad():
        logits = forward(g, x, buffers, split.normalise(pixels), training=False)
    return logits.softmax(1) if module.probabilities else logits


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
    import onnx

    model = _onnx_model(module, like)
    # The least version of the format that this opset allows; torch writes a newer one, which
    # runtimes of 2023 refuse.
    model.ir_version = onnx.helper.find_min_ir_version_for(list(model.opset_import))
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input):
        del part.metadata_props[:]  # of newer formats; torch keeps paths of this machine in it
    onnx.helper.set_model_props(model, {NAME: json.dumps(facts)})
    onnx.checker.check_model(model, full_check=True)
    write(to, model.SerializeToString())
    return f"; ONNX IR {model.ir_version}, opset {model.opset_import[0].version}"


def _onnx_model(module: Deployable, like: Tensor) -> Any:
    """Trace a network as a message of ONNX, with the operators of the opset OPSET."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with traceable(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            traced(module, like),
            (like,),
            input_names=["images"],
            output_names=["probabilities" if module.probabilities else "logits"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


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
