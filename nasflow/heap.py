"""Freed memory stays with the process.

glibc gives large blocks back to the kernel as soon as they are free, and a training step then waits
for the kernel to clear the same pages again: a fifth of the step at 16 filters, on two cores.
"""

from __future__ import annotations

import ctypes
import functools

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # malloc.h


@functools.cache
def keep() -> bool:
    """Set glibc's limits for this process, once; whether there was a glibc to take them."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    limits = {MMAP_THRESHOLD: 2**30, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 2**26}
    return all(mallopt(name, size) for name, size in limits.items())
