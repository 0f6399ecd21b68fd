"""A network as Python code that a person can read.

The code is one file of torch modules; it needs torch, for pictures Pillow, and not nasflow. Its
parameters have the names of those of `Deployable`.
"""

from __future__ import annotations

import pprint
import textwrap

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import OPS, Node
from nasflow.command import standalone_pictures
from nasflow.deployment.deployable import Deployable
from nasflow.kernels.batch_norm import EPSILON, MOMENTUM
from nasflow.printable import shown
from nasflow.version import __version__

HEADER = '''"""A network that nasflow {version} found: {convs} convolutions,
{parameters:,} parameters, {flops:,} multiplications and additions per image.

    from model import load

    model = load()
    model(images)  # {gives}, (n, {count}); model.classes names them
{pictures}
Images are (n, {channels}, {height}, {width}): uint8, or float32 on the scale 0..1. Made by
`nasflow export --to python`. Needs torch{pillow}.
"""

import json
{imports}from pathlib import Path

import torch
from torch import nn

CLASSES = (
{classes}
)
# Mean and standard deviation of the training images per channel, on the scale 0..1.
MEAN = {mean}
STD = {std}
'''

GELU = '''

class GELU(nn.GELU):
    """GELU in its tanh form."""

    def __init__(self):
        super().__init__("tanh")
'''

CONV = f'''

class Conv(nn.Sequential):
    """A convolution, BatchNorm and an activation; with stride 1 the map keeps its size."""

    def __init__(self, inputs, outputs, kernel, stride=1, activation=nn.ReLU):
        padding = "same" if stride == 1 else kernel // 2
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs, eps={EPSILON}, momentum={MOMENTUM}),
            activation(),
        )
'''

MIX = '''

class Mix(nn.Module):
    """mix * first + (1 - mix) * second, with one learned mix per channel."""

    def __init__(self, channels):
        super().__init__()
        self.mix = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, first, second):
        return self.mix * first + (1.0 - self.mix) * second
'''

MODEL = """

class Model(nn.Module):
    classes = CLASSES

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])
{layers}

    def forward(self, images):
        if images.dtype == torch.uint8:
            images = images.float() / 255.0
        image = (images - self.mean) / self.std
{steps}
        return {result}
"""

LOAD = '''

def load(file=Path(__file__).with_name("model.safetensors")):
    """Return the trained network, in evaluation mode and on the CPU."""
    model = Model()
    model.load_state_dict(tensors(Path(file).read_bytes()))
    return model.eval()


def tensors(content):
    """Return the tensors of a file of safetensors: a length, a header in JSON, and numbers."""
    types = {"F32": torch.float32, "I64": torch.int64}
    start, found = 8 + int.from_bytes(content[:8], "little"), {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__":
            first, last = (start + offset for offset in entry["data_offsets"])
            part = torch.frombuffer(bytearray(content[first:last]), dtype=types[entry["dtype"]])
            found[name] = part.reshape(entry["shape"])
    return found
'''

# What the text says about pictures, where the network takes them.
USE = """
    predict("photo.jpg")  # the probability of each class by its name, the most likely first

On the command line: python model.py photo.jpg
"""


def source(module: Deployable) -> str:
    """Write the text of model.py for a network.

    Raises:
        ValueError: if something of it cannot stand in a program: a name that is no identifier, or
            a number that is none.
    """
    g = module.architecture
    _check(g)
    pictures = standalone_pictures.takes_pictures(g)
    channels, height, width = g.shapes[g.image.id]
    head = HEADER.format(
        version=__version__,
        convs=len(g.convs),
        parameters=g.parameters,
        flops=g.flops,
        channels=channels,
        height=height,
        width=width,
        gives="probabilities" if module.probabilities else "logits",
        count=g.head.width,
        pictures=USE if pictures else "",
        imports="import sys\nfrom functools import cache\n" if pictures else "",
        pillow=", and Pillow for pictures" if pictures else "",
        classes=_names(module.classes),
        mean=module.mean.flatten().tolist(),
        std=module.std.flatten().tolist(),
    )
    if pictures:
        head += standalone_pictures.constants(g)
    layers = [f"self.{n.name} = {layer}" for n in g.nodes if (layer := _layer(n, g))]
    steps = [f"{_variable(n)} = {_step(n, g)}{_comment(n, g)}" for n in g.nodes[1:]]
    model = MODEL.format(
        layers=textwrap.indent("\n".join(layers), " " * 8),
        steps=textwrap.indent("\n".join(steps), " " * 8),
        result="logits.softmax(1)" if module.probabilities else "logits",
    )
    ops = {node.op for node in g.nodes}
    smooth = GELU * any(node.smooth for node in g.nodes)
    parts = [head, smooth, CONV * ("conv" in ops), MIX * ("add" in ops), model, LOAD]
    if pictures:
        parts.append(standalone_pictures.functions(module.probabilities))
    return "".join(parts)


def _check(g: Architecture) -> None:
    """Refuse what is not a name or a number: the text is run as a program.

    `Architecture.from_json` refuses it too; but an architecture can also be made in memory.
    """
    for node in g.nodes:
        if not node.name.isidentifier() or node.op not in OPS:
            raise ValueError(f"node {shown(node.id)}: the name of its layer is no Python name")
        numbers = (*node.inputs, node.width, node.kernel, node.stride, *g.shapes[node.id])
        wrong = next((number for number in numbers if type(number) is not int), None)
        if wrong is not None:
            raise ValueError(f"node {shown(node.id)}: {shown(wrong)}; expected whole numbers")


def _layer(node: Node, g: Architecture) -> str | None:
    """The node's expression in __init__; None where its expression in forward is enough."""
    if not node.inputs:
        return None
    channels, height, width = g.shapes[node.inputs[0]]
    return {
        "conv": f"Conv({channels}, {node.width}, kernel={node.kernel}{_options(node)})",
        "whiten": f"nn.Sequential(nn.Conv2d({channels}, {node.width}, {node.kernel}, "
        f'padding="same", bias=False), {"GELU()" if node.smooth else "nn.ReLU()"})',
        "pool": "nn.MaxPool2d(2)",
        "mean_pool": "nn.AvgPool2d(2, ceil_mode=True, divisor_override=4)",
        "add": f"Mix({channels})",
        "head": "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), "
        f"nn.Linear({channels}, {node.width}))",
        "peak_head": "nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), "
        f"nn.Linear({channels}, {node.width}))",
        "flat_head": "nn.Sequential(nn.Flatten(), "
        f"nn.Linear({channels} * {height} * {width}, {node.width}))",
    }.get(node.op)


def _options(node: Node) -> str:
    """Return the arguments of a Conv that differ from its default values."""
    return f", stride={node.stride}" * (node.stride != 1) + ", activation=GELU" * node.smooth


def _step(node: Node, g: Architecture) -> str:
    """The node's expression in forward."""
    reads = ", ".join(_variable(g[i]) for i in node.inputs)
    if node.op == "concat":
        return f"torch.cat([{reads}], 1)"
    if node.op == "pad":
        more = node.width - g.shapes[node.inputs[0]][0]
        return f"nn.functional.pad({reads}, (0, 0, 0, 0, 0, {more}))"
    return f"self.{node.name}({reads})"


def _comment(node: Node, g: Architecture) -> str:
    """A comment with the shape of the node's output."""
    channels, height, width = g.shapes[node.id]
    return f"  # {channels} x {height} x {width}" if node is not g.head else ""


def _variable(node: Node) -> str:
    return "logits" if node.name == "head" else node.name


def _names(names: tuple[str, ...]) -> str:
    """The names as literals, several per line."""
    text = pprint.pformat(names, width=92, compact=True)
    return "\n".join(f"    {line.strip()}" for line in text[1:-1].splitlines())
