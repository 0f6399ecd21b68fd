"""Counter-based randomness: a generator is a pure function of its purpose and of some numbers.

No state of a generator is carried from step to step. So a checkpoint needs to hold none, and a
round that is run again draws the same numbers. numpy's Philox gives the same values on every CPU,
which torch's normal generators do not.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np


def generator(purpose: str, *counters: int) -> np.random.Generator:
    """Make a Philox generator whose key is the sha256 of (purpose, counters); this takes 20 us.

    Args:
        purpose: what the numbers are for, such as `train`; each purpose has its own numbers.
        counters: integers that tell apart the generators of one purpose, such as seed and step.

    Returns:
        A new generator; the same arguments always give the same numbers.
    """
    text = json.dumps(["nasflow-rng-v1", purpose, *map(int, counters)], separators=(",", ":"))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))
