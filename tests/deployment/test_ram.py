"""The peak of the maps of one image, by hand and as onnxruntime's profiler sees them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import facts, varied
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.node import Node
from nasflow.architecture.templates import chain, stack
from nasflow.config.kinds import Stored
from nasflow.deployment.deployable import Deployable
from nasflow.deployment.ram import ram
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import initialise
from nasflow.search.neighbourhood import sites

few = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
IMAGE = Node(0, "image", (), 2)  # of 8 x 8 pixels: 128 numbers


def graph(*nodes: Node) -> Architecture:
    return Architecture((IMAGE, *nodes), (8, 8))


def numbers(g: Architecture) -> int:
    assert ram(g, Stored.FLOAT32) == 4 * ram(g, Stored.INT8)
    return ram(g, Stored.INT8)


def test_of_a_chain_the_largest_pair_of_neighbours_counts() -> None:
    pooled = Node(2, "pool", (1,))
    g = graph(
        Node(1, "conv", (0,), 3, 3), pooled, Node(3, "conv", (2,), 8, 3), Node(4, "head", (3,), 5)
    )
    # image + conv 128 + 192, conv + pool 192 + 48, pool + conv 48 + 128, conv + pooled 128 + 8
    assert numbers(g) == 320
    wide = graph(
        Node(1, "conv", (0,), 3, 3), pooled, Node(3, "conv", (2,), 32, 3), Node(4, "head", (3,), 5)
    )
    assert numbers(wide) == 48 + 512


def test_a_map_with_a_skip_is_needed_until_the_addition_has_run() -> None:
    g = graph(
        Node(1, "conv", (0,), 4, 3),
        Node(2, "conv", (1,), 6, 3),
        Node(3, "conv", (2,), 4, 3),
        Node(4, "add", (3, 1)),
        Node(5, "head", (4,), 5),
    )
    # While conv 3 runs there are the maps of convs 1, 2 and 3; while the add runs 3, 1 and its own.
    assert numbers(g) == 64 * max(4 + 6 + 4, 4 + 4 + 4)
    short = graph(
        Node(1, "conv", (0,), 4, 3),
        Node(2, "conv", (1,), 6, 3),
        Node(3, "conv", (2,), 4, 3),
        Node(5, "head", (3,), 5),
    )
    assert numbers(short) == 64 * (6 + 4)


def test_a_concatenation_is_there_beside_all_that_it_joins() -> None:
    g = graph(
        Node(1, "conv", (0,), 4, 3),
        Node(2, "conv", (1,), 4, 3),
        Node(3, "concat", (2, 1, 0)),
        Node(4, "conv", (3,), 2, 3),
        Node(5, "head", (4,), 5),
    )
    assert numbers(g) == 64 * (4 + 4 + 2 + 10)


def test_a_head_with_a_global_pool_gives_up_its_map_before_the_linear_layer_runs() -> None:
    tiny = Architecture(
        (Node(0, "image", (), 8), Node(1, "conv", (0,), 4, 1), Node(2, "head", (1,), 100)), (1, 1)
    )
    assert numbers(tiny) == 4 + 100  # the pooled numbers and the outputs, without the map
    flat = Architecture((*tiny.nodes[:2], Node(2, "flat_head", (1,), 100)), (1, 1))
    assert numbers(flat) == 4 + 100
    large = graph(Node(1, "conv", (0,), 4, 3), Node(2, "peak_head", (1,), 300))
    assert numbers(large) == 128 + 256
    many = graph(Node(1, "conv", (0,), 1, 3), Node(2, "flat_head", (1,), 300))
    assert numbers(many) == 64 + 300


def test_the_peak_lies_between_the_largest_map_and_the_sum_of_all() -> None:
    for seed in range(40):
        g = varied(seed).architecture
        sizes = [math.prod(shape) for shape in g.shapes.values()]
        first = sizes[0] + sizes[1]
        assert (
            max(first, max(sizes))
            <= numbers(g)
            <= sum(sizes) + max(s[0] for s in g.shapes.values())
        )


def test_morphisms_that_grow_a_network_never_need_less() -> None:
    rng = np.random.default_rng(0)
    network = initialise(stack((4, 4, 6, "P", 8, 8), (2, 8, 8), 5), rng)
    before = network.architecture
    for name in ("deepen", "widen", "connect_concat", "connect_add", "grow", "widen_all"):
        for site in sites(before)[name]:
            child = MORPHISMS[name].apply(network, site, rng).architecture
            assert ram(child, Stored.INT8) >= ram(before, Stored.INT8), (name, site)


INNER = "."  # stands in the names of what a kernel of a board keeps for itself, such as conv_3.sum
OVER = ("centred", "image", "image_float", "features", "probabilities")  # replace a map


def profile(model: Any, size: tuple[int, ...], folder: Path) -> list[int]:
    """Run one image through a file, and return the bytes of each node's output, in their order."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.log_severity_level = True, 3
    options.intra_op_num_threads = 1
    options.profile_file_prefix = str(folder / "profile")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED  # that of the file
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    session.run(None, {"images": np.zeros((1, *size), dtype=np.float32)})
    events = json.loads(Path(session.end_profiling()).read_text())
    rows = [event["args"] for event in events if event.get("cat") == "Node"]
    assert [int(row["node_index"]) for row in rows] == list(range(len(model.graph.node)))
    return [int(row["output_size"]) for row in rows]


def replayed(model: Any, outputs: list[int], size: tuple[int, ...], whole: bool) -> int:
    """Return the peak of the bytes alive, as the nodes ran.

    Args:
        model: the file.
        outputs: the bytes of each node's output.
        size: (channels, height, width) of the image.
        whole: whether the nodes of one layer count as one kernel, which keeps no map for itself.
            Otherwise every node is a kernel, and elementwise ones write over an input that no
            later node reads, as those of onnxruntime may.
    """
    constant = {tensor.name for tensor in model.graph.initializer}
    nodes = list(model.graph.node)
    kernels: list[tuple[set[str], str, int, bool]] = []
    reads: set[str] = set()
    for node, taken in zip(nodes, outputs, strict=True):
        name = node.output[0]
        reads |= {n for n in node.input if n not in constant and not (whole and INNER in n)}
        if whole and INNER in name:
            continue
        elementwise = node.op_type in ("Relu", "Sub", "Div", "Mul", "Add", "Tanh")
        kernels.append((reads, name, taken, name in OVER or (elementwise and not whole)))
        reads = set()
    last = {name: i for i, (reads, *_) in enumerate(kernels) for name in reads}
    alive, peak = {"images": 4 * math.prod(size)}, 0
    for i, (reads, name, taken, over) in enumerate(kernels):
        done = [n for n in reads if last[n] == i]
        if over and done:
            del alive[done.pop()]
        alive[name] = taken
        peak = max(peak, sum(alive.values()))
        for n in done:
            del alive[n]
    return peak


@few
@given(seed=st.integers(0, 10**6))
def test_onnxruntime_sees_the_same_peak(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("onnxruntime")
    from nasflow.deployment.onnx_model import onnx_model

    network = varied(seed)
    g = network.architecture
    model, size = onnx_model(Deployable(network, facts(network))), (2, *g.size)
    outputs = profile(model, size, tmp_path_factory.mktemp("profile"))
    found = ram(g, Stored.FLOAT32)
    assert replayed(model, outputs, size, True) == found
    plain = replayed(model, outputs, size, False)
    if not any(n.smooth or n.op in ("add", "mean_pool") for n in g.nodes):
        assert plain == found
    largest = max(outputs)
    assert found - largest <= plain <= found + 2 * largest


def test_the_figures_of_a_known_network() -> None:
    g = chain((8, 16, 32), 3, (1, 8, 8), 10)
    assert (ram(g, Stored.INT8), ram(g, Stored.FLOAT32)) == (640, 2560)
