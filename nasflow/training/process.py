"""Switches of torch that belong to the whole process, changed for a while and then put back.

A stage owns its process. A notebook does not belong to nasflow: what a search changes there has to
be as before when the search is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nasflow.config.kinds import Precision


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
    backends = torch.backends
    before = backends.fp32_precision  # type: ignore[attr-defined]
    wanted = "tf32" if precision == Precision.TF32 else "ieee"
    with one_thread():
        backends.fp32_precision = wanted  # type: ignore[attr-defined]
        try:
            yield
        finally:
            backends.fp32_precision = before  # type: ignore[attr-defined]
