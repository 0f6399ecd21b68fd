"""Captures on a pretended GPU: what is recorded, what is put back, and what a replay computes.

A capture runs the operations once, to learn the shapes, and then undoes what they changed, because
on a GPU a captured operation does not run. A replay runs the recorded operations on the recorded
memory, and no Python of the tested program: what was baked in at the capture shows as a wrong
number.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pretended_order import Memory, Order, spoil
from pretended_streams import CaptureFailed, Stream, active

Again = Callable[[Stream], None]


class Undo(NamedTuple):
    """A tensor that an operation of a capture changed, and its numbers before."""

    tensor: torch.Tensor
    value: torch.Tensor


class Graph:
    """Recorded operations, like `torch.cuda.CUDAGraph`.

    Args:
        keep_graph: not used.

    Attributes:
        invalid: whether an operation was refused while it was captured.
        kernels: how many kernels it launches, by the name of the operation.
    """

    def __init__(self, keep_graph: bool = False) -> None:
        self.invalid, self.ready = False, False
        self.kernels: collections.Counter[str] = collections.Counter()
        self._tape: list[Again] = []
        self._undo: list[Undo] = []
        self._fresh: list[torch.Tensor] = []
        self._reads: dict[Memory, None] = {}
        self._writes: dict[Memory, None] = {}

    def record(self, again: Again, reads: list[Memory], writes: list[Memory]) -> None:
        """Add an operation, the memory that it reads, and the memory that it writes."""
        self._tape.append(again)
        self._reads.update(dict.fromkeys(reads))
        self._writes.update(dict.fromkeys(writes))

    def changes(self, t: torch.Tensor) -> None:
        """Note that an operation is about to change a tensor."""
        self._undo.append(Undo(t, t.clone()))

    def makes(self, t: torch.Tensor) -> None:
        """Note that an operation made a tensor, which holds no number before the first replay."""
        self._fresh.append(t)

    def capture_begin(self, pool: Any = None, capture_error_mode: str = "global", **_: Any) -> None:
        order = active()
        stream = order.stream()
        if order.capturing is not None:
            order.refuse("a capture begins inside a capture")
        if stream is order.default(stream.device):
            order.refuse("a capture begins on the default stream")
        self._stream, order.capturing = stream, self
        order.inside, order.touched = {stream: stream.clock.copy()}, {}

    def capture_end(self) -> None:
        order = active()
        stream = self._stream
        unjoined = [s for s in order.inside if s.clock[s] > stream.clock[s]]
        self._put_back(order)
        order.captured.append(self.kernels.total())
        message = ""
        if self.invalid:
            message = "operation failed due to a previous error during capture"
        elif unjoined:
            message = "capturing stream has unjoined work"
            order.broken.append(f"{len(unjoined)} streams of the capture are not joined to it")
        if message:
            raise CaptureFailed(f"CUDA error: {message}")
        self.ready = True

    def _put_back(self, order: Order) -> None:
        order.capturing = None
        for memory, (written, reads) in order.touched.items():
            memory.written, memory.reads = written, reads
        for memory in self._writes:
            if memory.graph is self:
                memory.written, memory.reads = (self._stream, 0), {}
        for stream, clock in order.inside.items():
            stream.clock = clock
            stream.freed = [m for m in stream.freed if m.graph is not self]
        order.inside, order.touched = {}, {}
        with torch.no_grad(), torch._C.DisableTorchFunction():
            for t, value in reversed(self._undo):
                t.copy_(value)
            for t in self._fresh:
                spoil(t)
        self._undo, self._fresh = [], []

    def replay(self) -> None:
        order = active()
        if not self.ready:
            order.refuse("a graph is replayed that was not captured")
        if order.capturing is not None:
            order.refuse("a graph is replayed inside a capture")
        order.count["replay"] += 1
        order.count["launch"] += 1
        stream = order.stream(self._stream.device)
        stream.launch()
        for memory in self._reads:
            if memory.freed and memory.graph is not self:
                order.refuse("a graph reads or writes memory that was freed after the capture")
            order.read(memory, stream)
        for memory in self._writes:
            order.write(memory, stream)
        with torch.no_grad(), torch._C.DisableTorchFunction():
            for again in self._tape:
                again(stream)

    def reset(self) -> None:
        self.__init__()  # type: ignore[misc]

    def pool(self) -> tuple[int, int]:
        return id(self), 0

    def instantiate(self) -> None:
        pass

    def register_generator_state(self, generator: Any) -> None:
        pass


class Capture:
    """The statement `with torch.cuda.graph(...)`, with the order of PyTorch's own statement.

    So an error inside is followed by the end of the capture, which raises an error of its own, and
    then the stream of the capture stays the current one.
    """

    default_capture_stream = None

    def __init__(
        self,
        cuda_graph: Graph,
        pool: Any = None,
        stream: Stream | None = None,
        capture_error_mode: str = "global",
        **_: Any,
    ) -> None:
        self._graph, self._stream = cuda_graph, stream or Stream()

    def __enter__(self) -> None:
        active().synchronize()
        self._before = Current(self._stream)
        self._before.__enter__()
        self._graph.capture_begin()

    def __exit__(self, *error: object) -> None:
        self._graph.capture_end()
        self._before.__exit__(*error)


class Current:
    """The statement `with torch.cuda.stream(...)`."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        order = active()
        if self.stream is not None:
            self._device, order.device = order.device, self.stream.device.index
            self._before = order.choose(self.stream)

    def __exit__(self, *_: object) -> None:
        order = active()
        if self.stream is not None:
            order.choose(self._before)
            order.device = self._device
