"""onnxruntime runs a network on any number of images, and its latency is a time."""

from __future__ import annotations

import cases
import pytest
import torch

from nasflow.deployment import onnx_session
from nasflow.deployment.deployable import Deployable
from nasflow.deployment.onnx_model import onnx_model
from nasflow.deployment.onnx_session import OnnxSession


def test_many_images_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    network = cases.network(1, 0)
    module = Deployable(network, cases.facts(network))
    session, images = OnnxSession(onnx_model(module)), module.example(7)
    whole = session(images)
    monkeypatch.setattr(onnx_session, "BATCH", 3)
    torch.testing.assert_close(session(images), whole)


def test_latency_is_measured_in_milliseconds() -> None:
    network = cases.network(1, 0)
    module = Deployable(network, cases.facts(network))
    assert 1e-3 < OnnxSession(onnx_model(module)).milliseconds(module.example(1)) < 1e3
