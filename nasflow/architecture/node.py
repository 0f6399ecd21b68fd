"""One node of an architecture: its rules, the shape of its output, and its learned tensors."""

from __future__ import annotations

from dataclasses import dataclass

OPS = (
    *("image", "conv", "whiten", "pool", "mean_pool", "pad", "add", "concat"),
    *("head", "flat_head", "peak_head"),
)
HEADS = ("head", "flat_head", "peak_head")
POOLS = ("pool", "mean_pool")  # the operations that halve a map
ACTIVATIONS = ("relu", "gelu")
# Channels behind a concat. Where each concat joins the two before it, channels grow like Fibonacci
# numbers: 60 nodes, 4 kB of JSON, took 3.9 GB before this bound.
MOST_CHANNELS = 65_536


@dataclass(frozen=True)
class Node:
    """One layer of an architecture.

    The operations are:

    - `image`: the input of the network.
    - `conv`: convolution + BatchNorm + activation, with same padding.
    - `whiten`: convolution with fixed filters + activation; the filters come from the covariance of
      small patches of the training images (module `network.whitening`).
    - `pool`: 2 x 2 max pooling; the last row or column of a map with an odd side is left out.
    - `mean_pool`: the sums of 2 x 2 windows, divided by 4. A map with an odd side gets a row or a
      column of zeros at its end, so that the sum over the map is always divided by exactly 4.
    - `pad`: channels of zeros, appended behind the channels of the input.
    - `add`: mix * first + (1 - mix) * second, with one learned mix for each channel.
    - `concat`: the channels of all inputs, one behind the other.
    - `head`: the average of each map, and a linear layer.
    - `flat_head`: a linear layer on the whole map.
    - `peak_head`: the maximum of each map, and a linear layer.

    Attributes:
        id: the number of the node; it never changes.
        op: the operation.
        inputs: the ids of the nodes that it reads.
        width: the filters of a `conv` or a `whiten`, the channels of the `image` or behind a `pad`,
            the classes of a head; without meaning for the others.
        kernel: the side of the kernel of a `conv` or a `whiten`; without meaning for the others.
        stride: the step of a `conv` from one output pixel to the next, 1 or 2.
        activation: what follows a `conv` or a `whiten`: `relu`, or `gelu` in its tanh form
            (Hendrycks & Gimpel 2016, arXiv 1606.08415).
    """

    id: int
    op: str
    inputs: tuple[int, ...] = ()
    width: int = 0
    kernel: int = 0
    stride: int = 1
    activation: str = "relu"

    @property
    def name(self) -> str:
        """The name for people and exported code: `conv_3`, `pool_2`, `image` or `head`."""
        if self.op in HEADS:
            return "head"
        return self.op if self.op == "image" else f"{self.op}_{self.id}"

    @property
    def smooth(self) -> bool:
        """Whether a GELU follows, and not a ReLU."""
        return self.activation == "gelu"


ARITY = {"image": 0, "conv": 1, "whiten": 1, "pad": 1, "add": 2}
ARITY |= dict.fromkeys((*POOLS, *HEADS), 1)
FILTERING = ("conv", "whiten")  # the operations that have a kernel


def check(node: Node, seen: set[int], position: int, count: int) -> None:
    """Check that a node may stand where it stands.

    Args:
        node: the node.
        seen: the ids of all nodes that stand before it.
        position: its place among the nodes, from 0.
        count: the number of all nodes.

    Raises:
        ValueError: if it may not stand there.
    """
    where = f"architecture: node {node.id}"
    if node.op not in OPS:
        raise ValueError(f"{where}: op {node.op!r}; expected one of {', '.join(OPS)}")
    if (node.op == "image") != (position == 0) or (node.op in HEADS) != (position == count - 1):
        raise ValueError(f"{where}: the image comes first and the head last, once each")
    if node.id in seen or not set(node.inputs) <= seen:
        raise ValueError(f"{where}: ids must be unique and inputs {node.inputs} come before it")
    wanted = ARITY.get(node.op, max(2, len(node.inputs)))
    if len(node.inputs) != wanted or len(set(node.inputs)) != wanted:
        raise ValueError(f"{where}: {node.op} takes {wanted} different inputs, not {node.inputs}")
    if node.op not in (*POOLS, "add", "concat") and node.width < 1:
        raise ValueError(f"{where}: width {node.width}; expected at least 1")
    if node.op in FILTERING and not 1 <= node.kernel <= 15:
        raise ValueError(f"{where}: kernel {node.kernel}; expected 1 to 15")
    strided = node.op == "conv" and node.kernel % 2 == 1
    if node.stride not in (1, 2)[: 1 + strided]:
        raise ValueError(f"{where}: stride {node.stride}; expected 1, or 2 with an odd kernel")
    if node.activation not in ACTIVATIONS:
        raise ValueError(f"{where}: activation {node.activation!r}; expected relu or gelu")


def output_shape(
    node: Node, inputs: list[tuple[int, int, int]], size: tuple[int, int]
) -> tuple[int, int, int]:
    """Compute the shape of the output of a node.

    Args:
        node: the node.
        inputs: (channels, height, width) of each input.
        size: (height, width) of the image.

    Returns:
        (channels, height, width) of the output.

    Raises:
        ValueError: if the inputs do not fit the node.
    """
    if node.op == "image":
        return (node.width, *size)
    channels, height, width = inputs[0]
    if any(shape[1:] != (height, width) for shape in inputs):
        raise ValueError(f"architecture: node {node.id} joins maps of sizes {inputs}")
    if node.op in FILTERING:
        return node.width, -(-height // node.stride), -(-width // node.stride)
    if node.op == "pool":
        if min(height, width) < 2:
            raise ValueError(f"architecture: pool {node.id} of a {height}x{width} map")
        return channels, height // 2, width // 2
    if node.op == "mean_pool":
        return channels, -(-height // 2), -(-width // 2)
    if node.op in HEADS:
        return node.width, 1, 1
    if node.op == "pad":
        if node.width < channels:
            raise ValueError(
                f"architecture: pad {node.id} from {channels} to {node.width} channels"
            )
        return node.width, height, width
    if node.op == "concat":
        channels = sum(shape[0] for shape in inputs)
        if channels > MOST_CHANNELS:
            raise ValueError(
                f"architecture: concat {node.id} of {channels} channels; "
                f"expected at most {MOST_CHANNELS}"
            )
    return channels, height, width


def tensor_shapes(node: Node, inputs: list[tuple[int, int, int]]) -> dict[str, tuple[int, ...]]:
    """Compute the shapes of the learned tensors of a node.

    Args:
        node: the node.
        inputs: (channels, height, width) of each input.

    Returns:
        The shape of each tensor, by its name, such as `3.weight`.
    """
    if node.op == "conv":
        kernel = (node.width, inputs[0][0], node.kernel, node.kernel)
        return {
            f"{node.id}.weight": kernel,
            f"{node.id}.scale": (node.width,),
            f"{node.id}.shift": (node.width,),
        }
    if node.op == "add":
        return {f"{node.id}.mix": inputs[0][:1]}
    if node.op in HEADS:
        read = inputs[0] if node.op == "flat_head" else inputs[0][:1]
        return {f"{node.id}.weight": (node.width, *read), f"{node.id}.bias": (node.width,)}
    return {}
