"""Launches, memory and copies on pretended GPUs: what crosses, and who waits for it."""

from __future__ import annotations

from typing import Any

import torch
from pretended_order import Order
from pretended_streams import Stream
from pretended_tensor import Cuda


class Copies(Order):
    """GPUs with the memory of the host beside them.

    Args:
        devices: how many GPUs there are.

    Attributes:
        fails_after: how many more operations run before memory runs out; None for no end.
        pinned: the pinned memory of the host, by its address.
    """

    def __init__(self, devices: int) -> None:
        super().__init__(devices)
        self.fails_after: int | None = None
        self.pinned: dict[int, torch.Tensor] = {}

    def wrap(self, t: torch.Tensor, device: Any, launches: int) -> Cuda:
        """Put a plain tensor, which nobody else holds, on a GPU, by so many kernels."""
        index = self.index(device)
        if not 0 <= index < self.devices:
            self.refuse(f"invalid device ordinal {index}")
        stream = self.launch(index, launches)
        held = self.allocate(stream, t.untyped_storage().nbytes())
        if self.capturing is not None:
            value = t.clone()
            self.capturing.makes(t)
            self.capturing.kernels["fill"] += launches
            self.capturing.record(lambda stream: t.copy_(value), [], [held.memory])
        return Cuda(t, held)

    def is_pinned(self, t: torch.Tensor) -> bool:
        """Tell whether a plain tensor lies in pinned memory."""
        return t.untyped_storage().data_ptr() in self.pinned

    def pin(self, t: torch.Tensor) -> torch.Tensor:
        """Put a plain tensor into pinned memory; it is given out for good."""
        self.contexts.add(self.device)
        self.pinned[t.untyped_storage().data_ptr()] = t
        return t

    def launch(self, index: int, count: int) -> Stream:
        """Begin an operation, of so many kernels, on the current stream of a GPU."""
        stream = self.stream(index)
        stream.launch()
        if self.fails_after is not None:
            self.fails_after -= 1
            if self.fails_after < 0:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")
        if self.capturing is None:
            self.count["launch"] += count
        elif stream not in self.inside:
            self.refuse("an operation on a stream that the capture did not fork")
        return stream

    def cross(self, target: Any, source: Any, non_blocking: bool = False) -> Any:
        """Copy between the memory of the host and a GPU, or between two GPUs."""
        if isinstance(target, Cuda) and isinstance(source, Cuda):
            return self._between(target, source)
        up = isinstance(target, Cuda)
        cuda, host = (target, source) if up else (source, target)
        self.count["h2d" if up else "d2h"] += 1
        late = non_blocking and self.is_pinned(host)
        stream = self.launch(cuda.get_device(), 1)
        memory = cuda.held.memory
        (self.write if up else self.read)(memory, stream)
        if self.capturing is not None and up:
            self.capturing.changes(cuda.elem)

        def again(stream: Stream) -> None:
            if late and not up:
                self.receives(stream, host, cuda.elem.detach())
            else:
                (cuda.elem if up else host).copy_(host if up else cuda.elem)
            if late and up:
                self.sends(stream, host)

        if not late:
            self.waits("pageable copy", stream.clock)
        if self.capturing is None:
            again(stream)
            return target
        self.capturing.kernels["copy_"] += 1
        self.capturing.record(again, [memory], [memory] if up else [])
        return target

    def _between(self, target: Cuda, source: Cuda) -> Cuda:
        """Copy from one GPU to another: it orders both streams, as PyTorch does."""
        if self.capturing is not None:
            self.refuse("a copy between two GPUs in a capture")
        streams = [self.launch(t.get_device(), 1) for t in (target, source)]
        streams[0].wait_stream(streams[1])
        streams[1].wait_stream(streams[0])
        self.count["p2p"] += 1
        self.read(source.held.memory, streams[1])
        self.write(target.held.memory, streams[0])
        target.elem.copy_(source.elem)
        return target
