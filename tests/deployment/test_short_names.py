"""Short names change nothing but names."""

from __future__ import annotations

import cases
import torch

from nasflow.deployment.deployable import Deployable
from nasflow.deployment.onnx_model import onnx_model
from nasflow.deployment.onnx_session import OnnxSession
from nasflow.deployment.short_names import shortened


def test_the_network_computes_the_same_under_shorter_names() -> None:
    network = cases.varied(3)
    module = Deployable(network, cases.facts(network))
    model, images = onnx_model(module), module.example(3)
    short = shortened(model)
    assert torch.equal(OnnxSession(short)(images), OnnxSession(model)(images))
    assert short.ByteSize() < model.ByteSize()
    names = [name for node in short.graph.node for name in node.output][:-1]
    assert max(map(len, names)) <= 2 and len(set(names)) == len(names)
