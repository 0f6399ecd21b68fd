"""Architectures to begin with: the paper's chain, and networks that are known to train well.

Each template is a function of the shape of the images and the number of classes. The pipeline
trains them as fixed networks, to compare with (`compare`), and as the nodes of the first round
(`base.portfolio`). There each of them also exists with more filters: `chain7_x2` has twice as many
in every convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node

Image = tuple[int, int, int]  # channels, height, width
Layer = int | str  # the filters of a 3 x 3 convolution, or P for a pool
Template = Callable[[Image, int], Architecture]  # of an image's shape and the number of classes
SMALLEST = 2  # pixels per side below which a map is not pooled
HALVED = 48  # pixels per side above which the first convolution halves the image
WIDTHS = (1.5, 2.0)  # factors of the filters of wider templates
GROUP = 8  # filters; processors compute whole groups of channels


def chain(
    widths: tuple[int, ...], kernel: int, image: Image, classes: int, head: str = "head"
) -> Architecture:
    """Build Conv-MaxPool-Conv-MaxPool-...-Conv-head, the paper's first network g_0 (section 3).

    Args:
        widths: the number of filters of each convolution.
        kernel: the side of all kernels.
        image: (channels, height, width) of an image.
        classes: the number of classes.
        head: `head` (global average) or `flat_head` (the whole map).

    Raises:
        ValueError: if the image is too small for so many pools, or another number is not allowed.
    """
    nodes = [Node(0, "image", (), image[0])]
    for index, width in enumerate(widths):
        nodes.append(Node(len(nodes), "conv", (nodes[-1].id,), width, kernel))
        if index < len(widths) - 1:
            nodes.append(Node(len(nodes), "pool", (nodes[-1].id,)))
    nodes.append(Node(len(nodes), head, (nodes[-1].id,), classes))
    return Architecture(tuple(nodes), image[1:])


def stack(
    layers: Sequence[Layer],
    image: Image,
    classes: int,
    *,
    activation: str = "relu",
    whiten: bool = False,
    head: str = "head",
    width: float = 1.0,
) -> Architecture:
    """Build a chain of 3 x 3 convolutions and 2 x 2 max pools.

    A pool is left out where a map would become smaller than SMALLEST pixels per side, so that a
    template fits images of every size. The first convolution of a large image has stride 2 (see
    `first_stride`).

    Args:
        layers: the filters of each convolution, and P for each pool.
        image: (channels, height, width) of an image.
        classes: the number of classes.
        activation: what follows each convolution, `relu` or `gelu`.
        whiten: whether a 2 x 2 whitening stands before the first convolution.
        head: `head`, `flat_head` or `peak_head`.
        width: a factor of the filters of all convolutions, see `scaled`.
    """
    nodes, side, stride = [Node(0, "image", (), image[0])], min(image[1:]), first_stride(image)
    if whiten:
        nodes.append(Node(1, "whiten", (0,), 2 * patch(image[0]), PATCH, activation=activation))
    for layer in layers:
        new, source = len(nodes), (nodes[-1].id,)
        if isinstance(layer, int):
            filters = scaled(layer, width)
            nodes.append(Node(new, "conv", source, filters, 3, stride, activation))
            side, stride = -(-side // stride), 1
        elif side // 2 >= SMALLEST:
            side //= 2
            nodes.append(Node(new, "pool", source))
    nodes.append(Node(len(nodes), head, (nodes[-1].id,), classes))
    return Architecture(tuple(nodes), image[1:])


def first_stride(image: Image) -> int:
    """Return the stride of a template's first convolution: 2 where images are large, otherwise 1.

    A network of 64 x 64 pixels then costs about as much as one of 32 x 32 pixels, and still reads
    every pixel. Images that are made smaller first lose what is smaller than two pixels.
    """
    return 2 if min(image[1:]) > HALVED else 1


PATCH = 2  # pixels per side of the patches by which images are whitened


def patch(channels: int) -> int:
    """Return how many numbers a patch of an image has."""
    return channels * PATCH * PATCH


def scaled(filters: int, width: float) -> int:
    """Multiply a number of filters, and round it to a multiple of GROUP, which is 1 or more.

    Args:
        filters: the filters of a convolution.
        width: the factor; 1 leaves every number as it is.
    """
    return filters if width == 1.0 else GROUP * max(1, round(filters * width / GROUP))


def chain6(image: Image, classes: int, width: float = 1.0) -> Architecture:
    """Build the plain chain of six convolutions, in three stages of equal depth."""
    return stack((32, 32, "P", 64, 64, "P", 128, 128), image, classes, width=width)


def chain7(image: Image, classes: int, width: float = 1.0) -> Architecture:
    """Build a chain of seven convolutions with GELU and a third pool."""
    layers = (32, "P", 64, 64, "P", 128, 128, "P", 128, 128)
    return stack(layers, image, classes, activation="gelu", width=width)


def airbench(image: Image, classes: int, width: float = 1.0) -> Architecture:
    """Build a network like airbench94 (Jordan 2024, arXiv 2404.00498) with half of its width.

    The first layer is whitened and fixed, three groups of two convolutions with GELU follow, each
    pooled behind its first convolution, and the head reads the maximum of each map. Here a pool
    stands behind BatchNorm and GELU, and not before them.
    """
    layers = (32, "P", 32, 128, "P", 128, 128, "P", 128)
    return stack(
        layers, image, classes, activation="gelu", whiten=True, head="peak_head", width=width
    )


def resnet20(image: Image, classes: int, width: float = 1.0) -> Architecture:
    """Build a residual network of 20 layers (He et al. 2016, arXiv 1512.03385, section 4.2).

    Its stages have 16, 32 and 64 filters and three blocks of two convolutions. The first
    convolution of the second and third stage has stride 2, and a 1 x 1 convolution of stride 2
    leads around that block. A block is the learned mean of its two branches (see `Node`), each
    behind its ReLU; the published block adds them before the ReLU.
    """
    filters = [scaled(count, width) for count in (16, 32, 64)]
    first = first_stride(image)
    nodes = [Node(0, "image", (), image[0]), Node(1, "conv", (0,), filters[0], 3, first)]
    side = -(-min(image[1:]) // first)
    for stage, count in enumerate(filters):
        for block in range(3):
            stride = 2 if stage and not block and side // 2 >= SMALLEST else 1
            side = -(-side // stride)
            _residual(nodes, count, stride)
    nodes.append(Node(len(nodes), "head", (nodes[-1].id,), classes))
    return Architecture(tuple(nodes), image[1:])


def _residual(nodes: list[Node], width: int, stride: int) -> None:
    """Append a block of two convolutions and the skip around them."""
    source, new = nodes[-1].id, len(nodes)
    nodes.append(Node(new, "conv", (source,), width, 3, stride))
    nodes.append(Node(new + 1, "conv", (new,), width, 3))
    widths = {node.id: node.width for node in nodes}
    if stride == 2 or _channels(nodes, source, widths) != width:
        nodes.append(Node(new + 2, "conv", (source,), width, 1, stride))
        source = new + 2
    nodes.append(Node(len(nodes), "add", (new + 1, source)))


def _channels(nodes: list[Node], source: int, widths: dict[int, int]) -> int:
    """Return the channels of a node's output; an add has those of its first input."""
    by_id = {node.id: node for node in nodes}
    while by_id[source].op == "add":
        source = by_id[source].inputs[0]
    return widths[source]


def named(template: str, width: float) -> str:
    """Return the name of a template with a factor of its filters, such as chain7_x1.5."""
    return template if width == 1.0 else f"{template}_x{width:g}"


TEMPLATES: dict[str, Template] = {
    named(template.__name__, width): partial(template, width=width)
    for width in (1.0, *WIDTHS)
    for template in (chain6, chain7, resnet20, airbench)
}
