"""Freed memory stays with the process, in one piece.

glibc gives large blocks back to the kernel as soon as they are free, and a training step then waits
for the kernel to clear the same pages again: a fifth of the step at 16 filters, on two cores. So
they are kept, but only after some steps: in the first ones oneDNN, torch and Python allocate small
blocks that live on. Between large ones in the same heap these would leave holes that no other
sibling's maps fit, and the heap would grow to twice what a step needs.
"""

from __future__ import annotations

import ctypes
import functools

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # malloc.h
APART = 2**17  # bytes from which a block has pages of its own at first, glibc's own bound
SETTLED = 2  # steps after which small blocks are where they stay


@functools.cache
def apart() -> bool:
    """Large blocks lie outside the heap until `keep`; whether there was a glibc to take that."""
    return _set({MMAP_THRESHOLD: APART, TRIM_THRESHOLD: APART})


@functools.cache
def keep() -> bool:
    """They lie in the heap from now on and stay there."""
    return _set({MMAP_THRESHOLD: 2**30, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26})


def _set(limits: dict[int, int]) -> bool:
    """Of this process."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(name, size) for name, size in limits.items())
