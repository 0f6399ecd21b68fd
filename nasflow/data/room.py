"""A bound on the memory of the pictures that several threads decode at one time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

AT_ONCE = 24_000_000  # pixels; Pillow needs 4 bytes for each, and 8 where it turns or converts


class Room:
    """Lets pictures be decoded at one time as long as their pixels stay below a bound.

    A picture that is larger than the bound is decoded when no other one is.

    Attributes:
        most: the bound, in pixels.
    """

    def __init__(self, most: int = AT_ONCE) -> None:
        self.most = most
        self._taken, self._change = 0, Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for a picture of so many pixels, and keep the room."""
        with self._change:
            self._change.wait_for(lambda: not self._taken or self._taken + pixels <= self.most)
            self._taken += pixels
        try:
            yield
        finally:
            with self._change:
                self._taken -= pixels
                self._change.notify_all()
