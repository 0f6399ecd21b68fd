"""What the bits of a result depend on besides its inputs, its configuration and its seed.

In the same surroundings a stage writes files that are bit for bit identical. In other surroundings
the results differ by rounding errors, and such an error may lead a search to another choice.
"""

from __future__ import annotations

import os
import platform

import numba
import numpy as np
import torch
from llvmlite import binding

from nasflow.version import __version__

# Variables of the environment that choose the instructions of the kernels.
SWITCHES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "NUMBA_CPU_NAME")


def surroundings(device: str) -> dict[str, str]:
    """Describe the software and the hardware that a stage runs on.

    Args:
        device: the device of the stage, such as cpu or cuda:0.

    Returns:
        Texts by name: the versions of nasflow and of the libraries that calculate, the system,
        `processor` (the type of CPU, for which numba compiles), `cpu` (the instructions that torch
        uses), the device, and the flags that change its results.
    """
    cuda = device.startswith("cuda")
    flags = [f"{name}={os.environ[name]}" for name in SWITCHES if name in os.environ]
    return {
        "nasflow": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "numba": numba.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": binding.get_host_cpu_name(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if cuda else "cpu",
        "flags": " ".join(flags + (_of_cuda() if cuda else [])),
    }


def _of_cuda() -> list[str]:
    """Return the versions and settings of CUDA that change the bits of a result."""
    cudnn = torch.backends.cudnn
    return [
        f"cuda={torch.version.cuda}",
        f"cudnn={cudnn.version()}",  # type: ignore[no-untyped-call]
        f"benchmark={cudnn.benchmark}",
        f"deterministic={cudnn.deterministic}",
        f"deterministic_algorithms={torch.are_deterministic_algorithms_enabled()}",
        f"CUBLAS_WORKSPACE_CONFIG={os.environ.get('CUBLAS_WORKSPACE_CONFIG', '')}",
    ]
