"""Streams and events of a pretended GPU, and what each stream knows to be done.

Nothing runs late here. Every operation computes its numbers at once, on the CPU, and vector clocks
tell whether a real GPU would have been forced to compute it in this order. The clock of a stream
says, for every other stream, how many of its operations are surely done before the next one of this
stream begins. The host has such a clock, too: it learns by waiting.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pretended_order import Memory, Order

Clock = collections.Counter["Stream"]


class Broken(AssertionError):
    """A rule of CUDA is broken."""


class CaptureFailed(Broken, RuntimeError):
    """What the end of a capture raises after an error inside it, as CUDA does."""


class Stream:
    """A queue of operations of one GPU, like `torch.cuda.Stream`.

    Args:
        device: the GPU; None for the current one.
        priority: not used.

    Attributes:
        device: the GPU.
        clock: for each stream, how many of its operations are done before the next one of this
            stream; for this stream itself, how many were launched.
        freed: memory of this stream that other streams may still use.
    """

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        order = active()
        self.device = torch.device("cuda", order.index(device))
        self.clock: Clock = collections.Counter()
        self.freed: list[Memory] = []
        self._heard = 0
        order.streams.append(self)
        order.contexts.add(self.device.index)

    def launch(self) -> None:
        """Count one more operation; whatever the host knows to be done is done before it."""
        order = active()
        if self._heard != order.lessons:
            self._heard = order.lessons
            self.learn(order.host)
        self.clock[self] += 1

    def learn(self, clock: Clock) -> None:
        """Take over what a clock knows."""
        for stream, time in clock.items():
            if self.clock[stream] < time:
                self.clock[stream] = time

    def wait_stream(self, other: Stream) -> None:
        self.wait_event(other.record_event())

    def wait_event(self, event: Event) -> None:
        active().stream_waits(self, event)

    def record_event(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record(self)
        return event

    def synchronize(self) -> None:
        active().waits("stream.synchronize", self.clock)

    def query(self) -> bool:
        return self.record_event().query()


class Event:
    """A mark between two operations of a stream, like `torch.cuda.Event`; it measures no time."""

    def __init__(self, enable_timing: bool = False, blocking: bool = False, **_: Any) -> None:
        self.clock: Clock | None = None
        self.capture: object = None
        self._asked = False

    def record(self, stream: Stream | None = None) -> None:
        order = active()
        stream = stream or order.stream()
        self.clock, self._asked = stream.clock.copy(), False
        self.capture = order.capturing if stream in order.inside else None

    def wait(self, stream: Stream | None = None) -> None:
        active().stream_waits(stream or active().stream(), self)

    def synchronize(self) -> None:
        if self.clock is not None:
            active().waits("event.synchronize", self.clock)

    def query(self) -> bool:
        """Say no at first and yes afterwards, where the host does not know the answer."""
        order = active()
        if order.capturing is not None:
            order.refuse("event.query while a stream is capturing")
        if self.clock is None or order.knows(self.clock):
            return True
        self._asked = not self._asked
        if not self._asked:
            order.learn(self.clock)
        return not self._asked

    def elapsed_time(self, other: Event) -> float:
        return 1.0


class Now:
    """The pretended GPUs that are in use; None for none."""

    order: Any = None


def active() -> Order:
    """Return the pretended GPUs that are in use."""
    assert Now.order is not None, "there is no pretended GPU"
    order: Order = Now.order
    return order
