"""The bytes of a network's weights are those in the files that are written for use elsewhere."""

from __future__ import annotations

import functools
import logging

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
from nasflow.network.network import Network, initialise
from nasflow.search.neighbourhood import sites

few = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
seeds = st.integers(0, 10**6)
FIXED = ("mean", "std", "gelu.cube", "gelu.scale", "gelu.one", "gelu.half")  # the same in all files


def test_a_small_network_is_counted_by_hand() -> None:
    g = chain((4, 6), 3, (1, 8, 8), 5)
    weights, filters = 4 * 1 * 9 + 6 * 4 * 9 + 5 * 6, 4 + 6 + 5
    assert flash(g, Stored.FLOAT32) == 4 * (weights + filters)
    assert flash(g, Stored.INT8) == weights + 4 * filters + 4 * filters


def test_every_kind_of_node_is_counted_by_hand() -> None:
    convs = 16 * 8 * 9 + 16 * 16 * 4 + 24 * 16 * 9 + 16 * 48 * 1 + 16 * 16 * 9
    weights = 8 * 2 * 4 + convs + 2 * 2 * 16 + 5 * 16 * 2 * 2
    biases = 16 + 16 + 24 + 16 + 16 + 5
    assert flash(EVERY_NODE, Stored.FLOAT32) == 4 * (weights + biases)
    assert flash(EVERY_NODE, Stored.INT8) == weights + 4 * biases + 4 * (biases + 8 + 2 * 2)


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


@functools.cache
def quantised_tensors(seed: int) -> tuple[Network, dict[str, onnx.TensorProto]]:
    pytest.importorskip("onnxruntime")
    from nasflow.deployment.int8 import quantised
    from nasflow.deployment.onnx_model import onnx_model

    network = varied(seed)
    logging.disable(logging.WARNING)  # onnxruntime advises to fuse nodes first
    images = torch.rand_like(batch_of(network, 8))
    written = quantised(onnx_model(Deployable(network, facts(network))), images)
    logging.disable(logging.NOTSET)
    return network, {t.name: t for t in written.graph.initializer}


@pytest.mark.parametrize("seed", [1, 7, 33])
def test_int8_is_what_weights_biases_and_scales_of_the_quantised_file_take(seed: int) -> None:
    network, tensors = quantised_tensors(seed)
    names = [n.removesuffix("_quantized") for n in tensors if n.endswith("_quantized")]
    names = [name for name in names if name not in FIXED]
    stored = {name: tensors[f"{name}_quantized"] for name in names}
    weights = [name for name, t in stored.items() if t.data_type == onnx.TensorProto.INT8]
    assert len(weights) < len(names)
    counted = sum(map(bytes_of, stored.values()))
    counted += sum(bytes_of(tensors[f"{name}_scale"]) for name in weights)
    g = network.architecture
    assert counted == flash(g, Stored.INT8)
    filters = sum(c.width for c in g.nodes if c.op in ("conv", "whiten")) + g.head.width
    rest = sum(map(bytes_of, tensors.values())) - counted
    # Zero points of weights, scales and zero points of biases; and 5 bytes for each of the maps,
    # of which a GELU has nine and an add three, with the constants.
    assert rest <= 9 * filters + 100 * len(g.nodes)


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
