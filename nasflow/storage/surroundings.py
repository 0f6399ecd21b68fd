"""What the bits of a result depend on besides its inputs, config and seed.

Same surroundings, same bytes; with others, the same result up to rounding, which a search may
enlarge to other choices.
"""

from __future__ import annotations

import os
import platform

import numba
import numpy as np
import torch
from llvmlite import binding

from nasflow.version import __version__

SWITCHES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "NUMBA_CPU_NAME")


def surroundings(device: str) -> dict[str, str]:
    """Versions, CPU type (of numba's kernels) and instructions (of torch's), device, flags."""
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
    cudnn = torch.backends.cudnn
    return [
        f"cuda={torch.version.cuda}",
        f"cudnn={cudnn.version()}",  # type: ignore[no-untyped-call]
        f"benchmark={cudnn.benchmark}",
        f"deterministic={cudnn.deterministic}",
        f"CUBLAS_WORKSPACE_CONFIG={os.environ.get('CUBLAS_WORKSPACE_CONFIG', '')}",
    ]
