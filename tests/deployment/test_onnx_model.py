"""A network as a message of ONNX computes what the network computes."""

from __future__ import annotations

import cases
import numpy as np
import onnx
import pytest
import torch
from ran_nodes import ran_nodes

import nasflow
from nasflow.architecture import templates
from nasflow.deployment.deployable import Deployable
from nasflow.deployment.onnx_model import onnx_model
from nasflow.deployment.onnx_session import OnnxSession


def check(module: Deployable, *, integers: bool = False) -> None:
    model = onnx_model(module, integers=integers)
    onnx.checker.check_model(model, full_check=True)
    images = module.example(5, integers=integers)
    with torch.no_grad():
        expected = module(images)
    torch.testing.assert_close(OnnxSession(model)(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_outputs_are_those_of_the_module(seed: int) -> None:
    for network in (cases.varied(seed), cases.network(seed % 3, seed)):
        check(Deployable(network, cases.facts(network), probabilities=seed % 2 == 0))


def test_every_kind_of_node_is_written_for_both_types_of_input() -> None:
    network = nasflow.initialise(cases.EVERY_NODE, np.random.default_rng(0))
    module = Deployable(network, cases.facts(network))
    for integers in (False, True):
        check(module, integers=integers)


def test_a_mean_pool_of_odd_sides_is_written() -> None:
    base = nasflow.initialise(templates.stack((4, 4), (2, 7, 5), 5), np.random.default_rng(0))
    network = nasflow.morph(base, "add_stage")
    check(Deployable(network, cases.facts(network)))


def test_batch_norm_is_folded_and_a_gelu_runs_as_one_operation(tmp_path: object) -> None:
    network = nasflow.initialise(templates.chain7((2, 8, 8), 5), np.random.default_rng(0))
    model = onnx_model(Deployable(network, cases.facts(network)))
    kinds = {node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in kinds and "Erf" not in kinds
    ran = ran_nodes(model, tmp_path)
    assert ran.count("FastGelu") == len(network.architecture.convs)
    assert "Tanh" not in ran
