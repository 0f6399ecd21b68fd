"""The latency of a network in words."""

from __future__ import annotations

from typing import Any

import pytest

from nasflow.deployment.latency_words import latency_words

MEASURED = {"latency_float32": 0.03149, "latency_int8": 12.5}


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({}, ""),
        (MEASURED, "0.0315 ms in float32 and 12.5 ms in int8"),
        (
            MEASURED | {"latency_predicted": {"int8": 13.0}},
            "0.0315 ms in float32 and 12.5 ms in int8 (predicted 13)",
        ),
        (
            {"latency_float32": None, "latency_int8": None},
            "not measured; for that, pip install onnx onnxruntime, and evaluate again",
        ),
    ],
)
def test_it_says_what_was_measured(record: dict[str, Any], text: str) -> None:
    assert latency_words(record) == text
