"""A network in eight bits computes nearly what it computed, from a small file."""

from __future__ import annotations

import cases
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from ran_nodes import ran_nodes

import nasflow
from nasflow.architecture import templates
from nasflow.architecture.architecture import Architecture
from nasflow.deployment.deployable import Deployable
from nasflow.deployment.int8 import LARGEST, filter_scales, quantised
from nasflow.deployment.onnx_model import onnx_model
from nasflow.deployment.onnx_session import OnnxSession
from nasflow.network.whitening import whitened

NAMES = ("chain6", "chain7", "airbench", "resnet20")


def deployable(g: Architecture) -> Deployable:
    network = nasflow.initialise(g, np.random.default_rng(0))
    network = whitened(network, torch.randn(64, 2, *g.size))
    return Deployable(network, cases.facts(network), probabilities=False)


def template(name: str, side: int = 12) -> Deployable:
    return deployable(getattr(templates, name)((2, side, side), 5))


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("name", [*NAMES, "every node", "varied", "morphed"])
def test_outputs_stay_nearly_the_same(name: str, integers: bool) -> None:
    if name in ("varied", "morphed"):
        network = cases.varied(3) if name == "varied" else cases.network(2, 9)
        module = Deployable(network, cases.facts(network), probabilities=False)
    else:
        module = template(name) if name in NAMES else deployable(cases.EVERY_NODE)
    model = onnx_model(module, integers=integers)
    before = model.SerializeToString()
    small = quantised(model, module.example(64, integers=integers))
    onnx.checker.check_model(small, full_check=True)
    assert model.SerializeToString() == before, "the network that is given stays as it is"
    images = module.example(64, integers=integers, seed=1)
    exact, rounded = OnnxSession(model)(images), OnnxSession(small)(images)
    error = (rounded - exact).square().mean().sqrt() / exact.std()
    assert 0.0 < error < 0.2
    assert {one.domain for one in small.opset_import} == {""}


def test_the_same_images_give_the_same_bytes() -> None:
    model = onnx_model(template("airbench"))
    images = torch.rand(20, 2, 12, 12)
    first, second = (quantised(model, images).SerializeToString() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", NAMES)
def test_onnxruntime_computes_convolutions_and_heads_in_integers(
    name: str, tmp_path: object
) -> None:
    module = template(name)
    ran = ran_nodes(quantised(onnx_model(module), module.example(16)), tmp_path)
    assert ran.count("QLinearConv") == len(module.architecture.convs) + (name == "airbench")
    assert not {"Conv", "Gemm", "Tanh"} & set(ran)
    assert "QGemm" in ran


def test_weights_fit_processors_whose_sums_have_16_bits() -> None:
    module = template("chain6")
    small = quantised(onnx_model(module), module.example(16))
    weights = [numpy_helper.to_array(one) for one in small.graph.initializer]
    largest = [int(np.abs(one.astype(int)).max()) for one in weights if one.dtype == np.int8]
    assert max(largest) == LARGEST
    assert 2 * 255 * LARGEST < 2**15


def test_a_filter_of_zeros_keeps_its_bias() -> None:
    weight, bias = np.zeros((2, 3, 1, 1), np.float32), np.array([5.0, 0.0], np.float32)
    steps = filter_scales(weight, bias, np.float32(0.01))
    assert (steps > 0.0).all()
    assert np.rint(bias / (steps * np.float32(0.01))).max() < 2**31


def test_six_convolutions_cost_few_bytes_beside_their_weights() -> None:
    g = templates.stack((8, "P", 8, 8, "P", 16, 16, 8), (1, 8, 8), 10)
    network = nasflow.initialise(g, np.random.default_rng(0))
    facts = {"classes": list("0123456789"), "channels": 1, "height": 8, "width": 8}
    module = Deployable(network, facts | {"mean": [0.3], "std": [0.4]})
    small = quantised(onnx_model(module), module.example(16))
    assert small.ByteSize() - g.parameters < 3_100
