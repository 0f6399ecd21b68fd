"""The bytes of a network's weights are those in the files that are written for use elsewhere."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from cases import EVERY_NODE, batch_of, facts, varied
from cases import network as morphed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nasflow.architecture.templates import chain, stack
from nasflow.config.kinds import Stored
from nasflow.deployment.deployable import Deployable
from nasflow.deployment.flash import flash
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import initialise
from nasflow.search.neighbourhood import sites

few = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
seeds = st.integers(0, 10**6)
INT8, INT32 = onnx.TensorProto.INT8, onnx.TensorProto.INT32
FIXED = ("mean", "std", "gelu.cube", "gelu.scale", "gelu.one", "gelu.half")  # the same in all files


def test_a_small_network_is_counted_by_hand() -> None:
    g = chain((4, 6), 3, (1, 8, 8), 5)
    weights, filters = 4 * 1 * 9 + 6 * 4 * 9 + 5 * 6, 4 + 6 + 5
    assert flash(g, Stored.FLOAT32) == 4 * (weights + filters)
    assert flash(g, Stored.INT8) == weights + 4 * filters + 4 * filters


def test_every_kind_of_node_is_counted_by_hand() -> None:
    convs = 16 * 8 * 9 + 16 * 16 * 4 + 24 * 16 * 9 + 16 * 48 * 1 + 16 * 16 * 9
    weights = 8 * 2 * 4 + convs + 5 * 16 * 2 * 2
    biases, factors = 16 + 16 + 24 + 16 + 16 + 5, 2 * 2 * 16
    assert flash(EVERY_NODE, Stored.FLOAT32) == 4 * (weights + biases + factors)
    assert flash(EVERY_NODE, Stored.INT8) == weights + 4 * (biases + factors + biases + 8)


def bytes_of(tensor: onnx.TensorProto) -> int:
    return int(onnx.numpy_helper.to_array(tensor).nbytes)


@few
@given(seed=seeds)
def test_float32_is_what_the_learned_tensors_of_the_written_file_take(seed: int) -> None:
    from nasflow.deployment.onnx_model import onnx_model

    network = varied(seed) if seed % 2 else morphed(seed, seed % 5)
    written = onnx_model(Deployable(network, facts(network))).graph.initializer
    learned = [t for t in written if t.name not in FIXED and not t.name.endswith(".pads")]
    assert flash(network.architecture, Stored.FLOAT32) == sum(map(bytes_of, learned))


@pytest.mark.parametrize("seed", [1, 7, 12, 33])
def test_int8_is_what_weights_biases_and_scales_of_the_quantised_file_take(seed: int) -> None:
    pytest.importorskip("onnxruntime")
    from nasflow.deployment.int8 import quantised
    from nasflow.deployment.onnx_model import onnx_model

    network = varied(seed)
    g = network.architecture
    images = torch.rand_like(batch_of(network, 8))
    written = quantised(onnx_model(Deployable(network, facts(network))), images).graph.initializer
    whole = {
        kind: sum(bytes_of(t) for t in written if t.data_type == kind) for kind in (INT8, INT32)
    }
    filters = sum(n.width for n in g.nodes if n.op in ("conv", "whiten"))
    biases = sum(c.width for c in g.convs) + g.head.width
    factors = sum(2 * g.shapes[n.id][0] for n in g.nodes if n.op == "add")
    assert whole[INT32] == 4 * biases
    zeros = g.head.width  # the zero points of the linear layer
    scales = filters + g.head.width
    assert whole[INT8] - zeros + whole[INT32] + 4 * (scales + factors) == flash(g, Stored.INT8)
    # Beside these: scales of the biases, what maps and images need, pads and constants of GELU.
    more = sum(map(bytes_of, written)) - flash(g, Stored.INT8) - zeros - 4 * biases
    maps = 5 * 2 * len(g.nodes) + 16 * g.image.width + 64 * sum(n.op == "pad" for n in g.nodes) + 64
    assert -4 * filters < more <= maps  # equal scales are stored once


def test_int8_takes_less_than_float32_and_a_grown_network_more_than_its_parent() -> None:
    rng = np.random.default_rng(0)
    network = initialise(stack((4, 4, 6, "P", 8, 8), (2, 8, 8), 5), rng)
    before = network.architecture
    found = sites(before)
    for name in ("deepen", "widen", "connect_concat", "enlarge_kernel", "grow", "widen_all"):
        child = MORPHISMS[name].apply(network, found[name][0], rng).architecture
        for precision in Stored:
            assert flash(child, precision) > flash(before, precision)
        assert 4 * flash(child, Stored.INT8) > flash(child, Stored.FLOAT32)
        assert flash(child, Stored.INT8) < flash(child, Stored.FLOAT32)
