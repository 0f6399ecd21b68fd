"""The order of all work on pretended GPUs: memory and its uses, and what the host knows.

Where a rule is broken, `Order.refuse` raises `Broken` and remembers it, so that no `except` of the
tested code can hide it.
"""

from __future__ import annotations

import collections
import threading
from typing import Any, NamedTuple, NoReturn

import torch
from pretended_streams import Broken, Clock, Event, Now, Stream

BLOCK = 512  # bytes; PyTorch gives out memory of a GPU in multiples of them


class Memory:
    """A piece of memory of a GPU, with its latest uses.

    Attributes:
        owner: the stream on which it was allocated.
        size: bytes.
        written: the stream and the time of the latest write.
        reads: the time of the latest read of each stream since that write.
        graph: the graph in whose capture it was allocated; None for other memory.
        freed: whether no tensor holds it any more.
        lent: the streams that `record_stream` named.
    """

    def __init__(self, owner: Stream, size: int, graph: object) -> None:
        self.owner, self.size, self.graph = owner, size, graph
        self.written = owner, owner.clock[owner]
        self.reads: dict[Stream, int] = {}
        self.lent: set[Stream] = set()
        self.freed = False

    def unsafe(self) -> list[Stream]:
        """Return the streams that may still use it when its owner comes to its next operation."""
        uses = [*self.reads.items(), self.written]
        return [s for s, t in uses if s not in self.lent | {self.owner} and self.owner.clock[s] < t]


class Held:
    """A tensor's hold of memory. Views of a tensor share it, and memory is freed with it."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def __del__(self) -> None:
        self.memory.freed = True
        if Now.order is not None:
            Now.order.release(self.memory)


class Transfer(NamedTuple):
    """A copy between a GPU and pinned memory that the host did not wait for.

    Attributes:
        stream: the stream of the copy.
        time: its place in the stream.
        pinned: the pinned memory.
        values: a copy of the numbers that cross.
        arrives: whether the pinned memory is the target.
    """

    stream: Stream
    time: int
    pinned: torch.Tensor
    values: torch.Tensor
    arrives: bool


class Order:
    """The clocks of all streams and of the host, the memory, and the capture that goes on.

    Args:
        devices: the number of GPUs.

    Attributes:
        count: host waits (`wait`, and each kind of them), copies (`h2d`, `d2h`), `launch`,
            `replay`.
        broken: what was refused so far.
        contexts: the GPUs that something was done on.
        captured: for each capture that came to an end, how many kernels it holds.
    """

    def __init__(self, devices: int) -> None:
        self.devices, self.device = devices, 0
        self.count: collections.Counter[str] = collections.Counter()
        self.broken: list[str] = []
        self.contexts: set[int] = set()
        self.captured: list[int] = []
        self.streams: list[Stream] = []
        self.host: Clock = collections.Counter()
        self.lessons = 0
        self.capturing: Any = None
        self.inside: dict[Stream, Clock] = {}  # with their clocks as they were before the capture
        self.touched: dict[Memory, tuple[Any, dict[Stream, int]]] = {}
        self.allocated = self.peak = 0
        self._transfers: list[Transfer] = []
        self._defaults: dict[int, Stream] = {}
        self._local = threading.local()

    def refuse(self, message: str) -> NoReturn:
        """Raise `Broken`, and see to it that it cannot be overlooked."""
        self.broken.append(message)
        if self.capturing is not None:
            self.capturing.invalid = True
        raise Broken(message)

    def index(self, device: Any = None) -> int:
        """Return the number of a GPU; that of the current one for None or `cuda`."""
        if isinstance(device, int):
            return device
        found = None if device is None else torch.device(device).index
        return self.device if found is None else found

    def stream(self, device: Any = None) -> Stream:
        """Return the current stream of a GPU in this thread."""
        return self._streams().get(self.index(device)) or self.default(device)

    def default(self, device: Any = None) -> Stream:
        """Return the default stream of a GPU."""
        number = self.index(device)
        if number not in self._defaults:
            self._defaults[number] = Stream(number)
        return self._defaults[number]

    def choose(self, stream: Stream) -> Stream:
        """Make a stream the current one of its GPU; return what was the current one."""
        before = self.stream(stream.device)
        self._streams()[stream.device.index] = stream
        return before

    def _streams(self) -> dict[int, Stream]:
        if not hasattr(self._local, "streams"):
            self._local.streams = {}
        streams: dict[int, Stream] = self._local.streams
        return streams

    def stream_waits(self, stream: Stream, event: Event) -> None:
        """Let a stream wait for an event; in a capture it may join the capture by that."""
        if event.clock is None:
            return
        if self.capturing is not None and event.capture is self.capturing:
            self.inside.setdefault(stream, stream.clock.copy())
        elif stream in self.inside:
            self.refuse("a stream of the capture waits for work outside of the capture")
        stream.learn(event.clock)

    def waits(self, what: str, clock: Clock | None = None) -> None:
        """Let the host wait, for the current stream or for what a clock knows."""
        self.count["wait"] += 1
        self.count[what] += 1
        if self.capturing is not None:
            self.refuse(f"{what}: the host waits while a stream is capturing")
        self.learn(self.stream().clock if clock is None else clock)

    def synchronize(self, device: Any = None) -> None:
        """Let the host wait for all streams of a GPU."""
        self.contexts.add(self.index(device))
        known: Clock = collections.Counter()
        for stream in self.streams:
            if stream.device.index == self.index(device):
                known |= stream.clock
        self.waits("synchronize", known)

    def finish(self) -> None:
        """Let all streams come to their end."""
        for stream in self.streams:
            self.learn(stream.clock)

    def knows(self, clock: Clock) -> bool:
        """Tell whether the host knows everything that a clock knows."""
        return all(self.host[stream] >= time for stream, time in clock.items())

    def learn(self, clock: Clock) -> None:
        """Let the host know what a clock knows: copies that are done by then have happened."""
        self.host |= clock
        self.lessons += 1
        done = [t for t in self._transfers if self.host[t.stream] >= t.time]
        self._transfers = [t for t in self._transfers if self.host[t.stream] < t.time]
        for transfer in done:
            self._settle(transfer)

    def _settle(self, transfer: Transfer) -> None:
        if transfer.arrives:
            with torch.no_grad():
                transfer.pinned.copy_(transfer.values)
        elif not _same(transfer.pinned, transfer.values):
            self.refuse("pinned memory was overwritten before its copy to the GPU was done")

    def sends(self, stream: Stream, pinned: torch.Tensor) -> None:
        """Note a copy from pinned memory that the host does not wait for."""
        time = stream.clock[stream]
        self._transfers.append(Transfer(stream, time, pinned, pinned.clone(), arrives=False))

    def receives(self, stream: Stream, pinned: torch.Tensor, values: torch.Tensor) -> None:
        """Note a copy into pinned memory, which holds nonsense until the host knows it is done."""
        time, values = stream.clock[stream], values.to(pinned.dtype).expand_as(pinned).clone()
        self._transfers.append(Transfer(stream, time, pinned, values, arrives=True))
        spoil(pinned)

    def allocate(self, stream: Stream, size: int) -> Held:
        """Give out memory on a stream; no other stream may still use what it was before."""
        size = -(-size // BLOCK) * BLOCK
        stream.freed = [m for m in stream.freed if m.unsafe()]
        for m in stream.freed:
            if m.graph is self.capturing and m.size >= size > 0:
                self.refuse("memory that another stream may still use is given out again")
        self.allocated += size
        self.peak = max(self.peak, self.allocated)
        self.contexts.add(stream.device.index)
        return Held(Memory(stream, size, self.capturing))

    def release(self, memory: Memory) -> None:
        """Take memory back that no tensor holds any more."""
        self.allocated -= memory.size
        if memory.unsafe():
            memory.owner.freed.append(memory)

    def read(self, memory: Memory, stream: Stream) -> None:
        """Note that the next operation of a stream reads memory."""
        self._touch(memory)
        writer, time = memory.written
        if writer is not stream and stream.clock[writer] < time:
            self.refuse("a stream reads memory that another stream may still write")
        memory.reads[stream] = stream.clock[stream]

    def write(self, memory: Memory, stream: Stream) -> None:
        """Note that the next operation of a stream writes memory."""
        self.read(memory, stream)
        for reader, time in memory.reads.items():
            if reader is not stream and stream.clock[reader] < time:
                self.refuse("a stream writes memory that another stream may still read")
        memory.written, memory.reads = (stream, stream.clock[stream]), {}

    def _touch(self, memory: Memory) -> None:
        """Keep what a capture must put back: what is captured does not run."""
        if self.capturing is not None and memory not in self.touched:
            self.touched[memory] = memory.written, dict(memory.reads)


def spoil(t: torch.Tensor) -> None:
    """Fill a tensor with numbers that nobody can take for a result."""
    with torch.no_grad():
        t.fill_(float("nan") if t.is_floating_point() else t.dtype == torch.bool or 77)


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.equal(*(torch.nan_to_num(t) if t.is_floating_point() else t for t in (a, b)))
