"""A network that `nasflow export --to onnx` wrote, read back for `nasflow predict`.

The file may come from somebody else. Everything in it is checked before onnxruntime sees it: only
the operators that nasflow writes, no other files, no code, and maps that fit the memory.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nasflow.command.formats import ONNX
from nasflow.data.image_facts import NAME, checked_facts
from nasflow.printable import printable, shown
from nasflow.storage.files import CorruptFile
from nasflow.storage.folders import Kind, entry

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST = 500_000_000  # bytes of a file
NODES = 20_000
MAP = 2**26  # numbers of a map for one image
BATCH = 2**27  # numbers of the largest map for the images that are computed at once
OPERATORS = {
    *("Cast", "Sub", "Div", "Conv", "Relu", "Mul", "Add", "Tanh", "Gelu", "MaxPool"),
    *("AveragePool", "Pad", "Concat", "GlobalAveragePool", "GlobalMaxPool", "Flatten", "Gemm"),
    *("Softmax", "QuantizeLinear", "DequantizeLinear"),
}
REMEDY = "expected a file of nasflow export --to onnx; export it again"


class OnnxNetwork:
    """An exported network that gives the probabilities of images.

    Args:
        path: the file.

    Raises:
        ValueError: in one line, if it is no such file, is damaged or asks for too much.
    """

    def __init__(self, path: Path) -> None:
        missing = [name for name in ONNX if importlib.util.find_spec(name) is None]
        if missing:
            raise ValueError(
                f"{shown(str(path))}: {', '.join(missing)} not installed; "
                f"pip install {' '.join(missing)}"
            )
        from nasflow.deployment.onnx_session import OnnxSession

        self._name = shown(str(path))
        model = _read(path, self._name)
        self.facts = _facts(model, path, self._name)
        largest = _check(model, self.facts, self._name)
        self._count = max(1, BATCH // largest)
        self._integers = model.graph.input[0].type.tensor_type.elem_type == _types().UINT8
        self._logits = model.graph.output[0].name == "logits"
        try:
            self._session = OnnxSession(model)
        except Exception as error:  # onnxruntime's errors have no common class
            raise self._refused(error) from error

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        return self.facts["channels"], self.facts["height"], self.facts["width"]

    def __call__(self, images: Tensor) -> Tensor:
        """Compute the probabilities of all classes.

        Args:
            images: uint8 (n, channels, height, width).

        Returns:
            float32 (n, classes).
        """
        given = images.contiguous() if self._integers else images.contiguous().float() / 255.0
        try:
            found = torch.cat([self._session(part) for part in torch.split(given, self._count)])
        except Exception as error:
            raise self._refused(error) from error
        return found.softmax(1) if self._logits else found

    def _refused(self, error: Exception) -> ValueError:
        reason = printable(str(error).splitlines()[0] if str(error) else type(error).__name__)
        return ValueError(f"{self._name}: onnxruntime refuses it ({reason[:200]}); {REMEDY}")


def is_onnx(path: Path) -> bool:
    """Return whether a path names an exported file, and not a checkpoint."""
    return path.suffix.lower() == ".onnx" and not path.is_dir()


def _types() -> Any:
    from onnx import TensorProto

    return TensorProto


def _read(path: Path, name: str) -> ModelProto:
    """Read a message of ONNX, without any other file that it may name."""
    import onnx

    if entry(path).kind is not Kind.FILE:
        raise ValueError(f"{name}: no regular file there; {REMEDY}")
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"{name}: {size} bytes; expected at most {LARGEST}")
    try:
        return onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf has classes of its own
        raise ValueError(f"{name}: not ONNX, or damaged; {REMEDY}") from error


def _facts(model: ModelProto, path: Path, name: str) -> dict[str, Any]:
    """Read what the metadata say about the images."""
    texts = [one.value for one in model.metadata_props if one.key == NAME]
    if not texts:
        raise ValueError(f"{name}: no {NAME} in its metadata; {REMEDY}")
    try:
        return checked_facts(path, json.loads(texts[0]))
    except (ValueError, RecursionError, CorruptFile) as error:
        raise ValueError(f"{name}: damaged {NAME} in its metadata; {REMEDY}") from error


def _check(model: ModelProto, facts: dict[str, Any], name: str) -> int:
    """Refuse what nasflow does not write, and return the size of the largest map of an image."""
    import onnx

    if (problem := _foreign(model) or _misfit(model, facts)) is not None:
        raise ValueError(f"{name}: {problem}; {REMEDY}")
    try:
        onnx.checker.check_model(model)
        whole = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # both raise errors of several classes
        raise ValueError(f"{name}: damaged (ONNX's checker refuses it); {REMEDY}") from error
    maps = (*whole.graph.input, *whole.graph.value_info, *whole.graph.output)
    sizes = {one.name: _size(one.type.tensor_type.shape.dim) for one in maps}
    made = [size for node in whole.graph.node for size in map(sizes.get, node.output)]
    if any(size is None or size > MAP for size in made):
        raise ValueError(f"{name}: a map of it has more than {MAP} numbers; {REMEDY}")
    return max(size for size in made if size is not None)


def _foreign(model: ModelProto) -> str | None:
    """Say what the file holds that no file of nasflow holds."""
    graph, types = model.graph, _types()
    if any(one.domain for one in (*model.opset_import, *graph.node)) or model.functions:
        return "operators that are not those of ONNX"
    if len(graph.node) > NODES:
        return f"{len(graph.node)} operations, more than {NODES}"
    if unknown := {str(node.op_type) for node in graph.node} - OPERATORS:
        return f"operator {printable(min(unknown))[:50]}, which nasflow does not write"
    if {one.type for node in graph.node for one in node.attribute} - _plain():
        return "an attribute that is no number and no text"
    if model.training_info or graph.sparse_initializer:
        return "parts that nasflow does not write"
    outside = any(one.data_location == types.EXTERNAL for one in graph.initializer)
    if outside or any(one.external_data for one in graph.initializer):
        return "weights in another file, which is not read"
    return None


def _plain() -> set[int]:
    """The types of attributes that hold no graph and no tensor."""
    from onnx import AttributeProto as Attribute

    return {Attribute.INT, Attribute.INTS, Attribute.FLOAT, Attribute.STRING}


def _misfit(model: ModelProto, facts: dict[str, Any]) -> str | None:
    """Say where input and output are not those of the images in the metadata."""
    types = _types()
    if len(model.graph.input) != 1 or len(model.graph.output) != 1:
        return "not one input and one output"
    (given,), (found,) = model.graph.input, model.graph.output
    shape = (facts["channels"], facts["height"], facts["width"])
    if _dims(given) != shape or _dims(found) != (len(facts["classes"]),):
        return f"input {_dims(given)} and output {_dims(found)}, which its metadata do not fit"
    if given.name != "images" or found.name not in ("probabilities", "logits"):
        return "other names of input and output"
    if given.type.tensor_type.elem_type not in (types.FLOAT, types.UINT8):
        return "an input that is neither float32 nor uint8"
    return None


def _dims(value: Any) -> tuple[int, ...]:
    """The shape of an input or an output, without its batch."""
    return tuple(one.dim_value for one in value.type.tensor_type.shape.dim[1:])


def _size(dims: Any) -> int | None:
    """How many numbers a map has for one image; None where that is not known."""
    size = 1
    for one in dims[1:]:
        if not one.HasField("dim_value") or one.dim_value < 0:
            return None
        size *= one.dim_value
    return size
