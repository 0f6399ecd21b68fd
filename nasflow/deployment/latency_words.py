"""How long a network takes for one image, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def latency_words(found: Mapping[str, Any]) -> str:
    """Say how long a network takes: `0.031 ms in float32 and 0.024 ms in int8 (predicted 0.025)`.

    Args:
        found: a record with `latency_float32` and `latency_int8`, in milliseconds for one image on
            one core, or None where they were not measured; `latency_predicted` holds what a table
            predicted, by precision. A record of an older nasflow holds none of them: the text is
            then empty.
    """
    if "latency_int8" not in found:
        return ""
    if found["latency_int8"] is None:
        return "not measured; for that, pip install onnx onnxruntime, and evaluate again"
    predicted = found.get("latency_predicted", {})
    parts = []
    for name in ("float32", "int8"):
        guess = f" (predicted {_short(predicted[name])})" if name in predicted else ""
        parts.append(f"{_short(found[f'latency_{name}'])} ms in {name}{guess}")
    return " and ".join(parts)


def _short(milliseconds: float) -> str:
    """Write a time with three digits, without an exponent."""
    return f"{milliseconds:.3g}" if milliseconds >= 0.001 else f"{milliseconds:.6f}"
