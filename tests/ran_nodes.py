"""What onnxruntime runs for a network."""

from __future__ import annotations

from typing import Any


def ran_nodes(model: Any, folder: object) -> list[str]:
    """List the operations that are left after onnxruntime has joined nodes.

    Args:
        model: a message of ONNX.
        folder: a folder for a file.
    """
    import onnx
    import onnxruntime

    file = f"{folder}/ran.onnx"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = file, 3
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [node.op_type for node in onnx.load(file).graph.node]
