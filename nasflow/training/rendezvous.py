"""The time that the processes of one round wait for each other until all of them are connected."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Timer

WAIT = "NASFLOW_MEETING_SECONDS"  # the variable that sets the time
PATIENCE = 120  # seconds; each machine imports torch before that, perhaps from a slow disk
LONGEST = 86_400  # seconds


def patience(environment: Mapping[str, str]) -> int:
    """Return for how many seconds the processes wait for each other.

    Args:
        environment: the environment variables by name.

    Raises:
        ValueError: if the variable is no whole number between 1 and LONGEST.
    """
    text = environment.get(WAIT, str(PATIENCE))
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= LONGEST:
        raise ValueError(f"{WAIT}: {text!r}; expected whole seconds, from 1 to {LONGEST}")
    return int(text)


@contextmanager
def bounded(seconds: float, line: str) -> Iterator[None]:
    """End this process with exit code 1 where the `with` block takes too long.

    torch itself waits up to 30 minutes for a rank that never connects, and nothing interrupts it.

    Args:
        seconds: how long the block may take.
        line: what to print on stderr then.
    """

    def end() -> None:
        print(f"nasflow: {line}", file=sys.stderr, flush=True)
        os._exit(1)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
