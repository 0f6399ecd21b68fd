"""Whether onnx and onnxruntime are installed, which nasflow itself does not need."""

from __future__ import annotations

from importlib.util import find_spec

RUNTIME = ("onnx", "onnxruntime")


def missing() -> list[str]:
    """List the packages of RUNTIME that are not installed; this imports neither."""
    return [name for name in RUNTIME if find_spec(name) is None]


def check_runtime(what: str) -> None:
    """Raise ValueError where a package of RUNTIME is missing.

    Args:
        what: who needs them, for the message, such as `search.constraints.max_latency`.
    """
    if lacking := missing():
        raise ValueError(
            f"{what}: {', '.join(lacking)} not installed; pip install {' '.join(lacking)}"
        )
