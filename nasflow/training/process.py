"""Switches of torch that belong to the whole process, changed for a while and then put back.

A stage owns its process. A notebook does not belong to nasflow: what a search changes there has to
be as before when the search is over.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from nasflow.config.kinds import Precision
from nasflow.network.float32 import products

AMPERE = (8, 0)  # the compute capability of the first GPUs that compute in bfloat16 and in TF32
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
FIXED = (":4096:8", ":16:8")  # the values with which torch allows deterministic matrix products


@contextmanager
def one_thread() -> Iterator[None]:
    """Let each operation of torch compute on one thread; the former number comes back at the end.

    On several threads some sums are taken in another order, and results would depend on the number
    of cores (BatchNorm in channels-last memory already differs between one thread and two)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def computing(precision: Precision) -> Iterator[None]:
    """Let torch compute on one thread, and on a GPU in the wanted precision of float32 products.

    Args:
        precision: with tf32, products of float32 numbers are rounded to TF32. With another
            precision they are exact, even if the process had asked for TF32 before.
    """
    with one_thread(), products("tf32" if precision == Precision.TF32 else "ieee"):
        yield


@contextmanager
def on_device(
    device: str, *, deterministic: bool = False, precisions: Collection[Precision] = ()
) -> Iterator[None]:
    """Prepare this process for computing on a device; on a CPU there is nothing to do.

    A GPU becomes the current one of this thread. torch takes the current GPU where a call names
    none, for instance to wait before it captures a CUDA graph. Without this, a rank that computes
    on another GPU would open a context on GPU 0, too, which takes some hundred megabytes there.

    Args:
        device: cpu or cuda:N.
        deterministic: whether a GPU may use only algorithms that always add in the same order.
        precisions: those in which the process is going to compute.

    Raises:
        ValueError: if the GPU has no bfloat16 and it is wanted, or if the process used the GPU
            before matrix products could be made deterministic.
    """
    if device == "cpu":
        yield
        return
    # `same_bits` must come before the GPU is first used. Unlike set_device, torch.cuda.device opens
    # no context on the GPU that it puts back.
    with same_bits() if deterministic else nullcontext(), torch.cuda.device(device):
        _check_bfloat16(device, precisions)
        yield


def _check_bfloat16(device: str, precisions: Collection[Precision]) -> None:
    """Refuse bfloat16 on a GPU without it, on which torch would compute it slowly or not at all."""
    found = torch.cuda.get_device_capability(device) if Precision.BFLOAT16 in precisions else AMPERE
    if found < AMPERE:
        name = torch.cuda.get_device_name(device)
        raise ValueError(
            f"precision: bfloat16; {name} ({device}) has compute capability {found[0]}.{found[1]};"
            " expected 8.0 or higher; set precision: float32 in pretrain, search and final"
        )


def _used() -> bool:
    """Return whether this process has used a GPU."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


@contextmanager
def same_bits() -> Iterator[None]:
    """Let a GPU use only algorithms whose results are bit for bit the same in each run.

    An operation that has no such algorithm raises a RuntimeError that names it. `nasflow` uses no
    such operation, as far as the list in torch's documentation tells (use_deterministic_algorithms,
    torch 2.14).

    Raises:
        ValueError: if the process used the GPU before without a fixed workspace of cuBLAS.
    """
    deterministic: Any = torch.utils.deterministic
    cudnn, workspace = torch.backends.cudnn, os.environ.get(WORKSPACE)
    if workspace not in FIXED and _used():
        raise ValueError(
            f"deterministic: true; the process used the GPU with {WORKSPACE}={workspace or ''};"
            f" expected {FIXED[0]}; set this variable before the process starts"
        )
    mode = torch.get_deterministic_debug_mode()
    settings = cudnn.deterministic, cudnn.benchmark, deterministic.fill_uninitialized_memory
    try:
        if workspace not in FIXED:
            os.environ[WORKSPACE] = FIXED[0]  # cuBLAS reads it when its first handle is made
        # As use_deterministic_algorithms(True), which imports the compiler of torch, too: 2 s.
        torch.set_deterministic_debug_mode("error")
        cudnn.deterministic, cudnn.benchmark = True, False
        # torch would fill new tensors with NaN, one more launch for each; nothing here reads them.
        deterministic.fill_uninitialized_memory = False
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        cudnn.deterministic, cudnn.benchmark = settings[:2]
        deterministic.fill_uninitialized_memory = settings[2]
        if workspace is None:
            os.environ.pop(WORKSPACE, None)
        else:
            os.environ[WORKSPACE] = workspace
