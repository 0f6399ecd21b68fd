"""Keeps freed memory with the process, in one piece, where the process belongs to a stage.

glibc gives large blocks back to the kernel as soon as they are free. A training step then waits
for the kernel to clear the same pages again, which costs a fifth of the step at 16 filters, on two
cores. So the blocks are kept, but only after some steps: in the first ones oneDNN, torch and Python
allocate small blocks that live on. Between large blocks in the same heap these would leave holes
that the feature maps of no other sibling fit, and the heap would grow to twice what a step needs.

glibc does not tell its limits, so they cannot be put back. Therefore only stages call `apart`; in a
notebook neither function changes anything.
"""

from __future__ import annotations

import ctypes
import functools

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # malloc.h
APART = 2**17  # bytes from which a block has pages of its own at first, glibc's own bound
SETTLED = 2  # steps after which small blocks stay where they are


@functools.cache
def apart() -> bool:
    """Lay large blocks outside the heap until `keep` is called.

    Returns:
        False where mallopt is missing, which is part of glibc.
    """
    return _set({MMAP_THRESHOLD: APART, TRIM_THRESHOLD: APART})


def keep() -> bool:
    """Lay large blocks into the heap from now on, and let them stay there.

    Returns:
        False where `apart` was never called, or where mallopt is missing.
    """
    return bool(apart.cache_info().currsize) and _keep()


@functools.cache
def _keep() -> bool:
    return _set({MMAP_THRESHOLD: 2**30, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26})


def _set(limits: dict[int, int]) -> bool:
    """Change limits of this process's malloc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(name, size) for name, size in limits.items())
