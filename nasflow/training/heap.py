"""Settings of malloc that keep freed memory with the process of a stage, in one piece.

glibc gives large blocks back to the kernel as soon as they are free. A training step then waits
for the kernel to clear the same pages again, which costs a fifth of the step at 16 filters, on two
cores. So the blocks are kept, but only after some steps: in the first ones oneDNN, torch and Python
allocate small blocks that live on. If such blocks stood between large blocks in the same heap, they
would leave holes into which no feature map of another sibling fits, and the heap would grow to
twice what a step needs.

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
        False where mallopt, a function of glibc, is missing or refuses a limit.
    """
    return _set({MMAP_THRESHOLD: APART, TRIM_THRESHOLD: APART})


def keep() -> bool:
    """Lay large blocks into the heap from now on, and let them stay there.

    Returns:
        False where `apart` was never called, or where mallopt is missing or refuses a limit.
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
