"""Errors of a GPU that a user can do something about, as one line each.

All other errors of a GPU, such as a failed assertion of a kernel ("device-side assert triggered")
or an illegal memory access, are bugs. They keep their traceback. A lack of memory is the matter of
the module `memory`.
"""

from __future__ import annotations

import torch

from nasflow.training.memory import chain

DRIVER = (
    "the NVIDIA driver is too old for torch {torch} (CUDA {cuda}); update the driver, install a"
    " torch for an older CUDA, or set device: cpu"
)
NO_GPU = "torch finds no NVIDIA driver or no GPU; see what nvidia-smi says, or set device: cpu"
# Words of an error, in lower case, and what the user reads about it.
KNOWN = {
    "no kernel image is available": (
        "torch {torch} has no kernels for this type of GPU; install a torch that was built for it"
        " (python -c 'import torch; print(torch.cuda.get_arch_list())' lists the types), or set"
        " device: cpu"
    ),
    "driver on your system is too old": DRIVER,
    "driver version is insufficient": DRIVER,
    "found no nvidia driver": NO_GPU,
    "no cuda-capable device is detected": NO_GPU,
    "busy or unavailable": (
        "another process has this GPU for itself; wait for it, or choose another GPU by"
        " device: cuda:N"
    ),
    "uncorrectable ecc error": (
        "the memory of this GPU is damaged; run the same command again with another GPU, by"
        " device: cuda:N"
    ),
    "does not have a deterministic implementation": (
        "torch {torch} has no deterministic algorithm for an operation; set deterministic: false"
    ),
    "this operation is not deterministic because it uses cublas": (
        "the process used the GPU before CUBLAS_WORKSPACE_CONFIG was set; set it to :4096:8 before"
        " the process starts, or set deterministic: false"
    ),
}


def explained(error: BaseException) -> str | None:
    """Say in one line what a user can do about an error of a GPU.

    Args:
        error: the error; those that it was raised from, or while it was handled, count too.

    Returns:
        What happened, the remedy and the first line of torch's message; None for other errors.
    """
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    for one in chain(error):
        text = " ".join(str(one).split())
        for words, line in KNOWN.items():
            if isinstance(one, RuntimeError) and words in text.lower():
                first = str(one).strip().splitlines()[0]
                return f"{line.format(**versions)} ({first})"
    return None
