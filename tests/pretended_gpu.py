"""A GPU that is not there: tensors that say `cuda`, hold real numbers, and obey CUDA's rules.

`with Machine() as gpu:` makes every `device="cuda"` give a `Cuda` tensor. It is a wrapper whose
numbers live on the CPU; C++ takes it for a CPU tensor, so that autograd needs no CUDA. Checked:

* No operation mixes tensors of two devices. Single numbers on the CPU are allowed, as in CUDA, but
  not in a capture, which would keep their value for ever.
* Nothing takes a `Cuda` tensor for memory of the host, as a kernel of numba would.
* Inside a capture there is no wait of the host, no pageable copy and no random number. An error in
  a capture is followed by the error of its end (`pretended_graphs.Capture`).
* Every read and write is ordered behind the last write, and every write behind the last reads, by
  streams and events (vector clocks, module `pretended_streams`). Streams of a capture are joined.
* Memory is not given out again while another stream may still use it, and no graph uses memory
  that was freed after its capture. Memory that is not initialised holds NaN.
* Pinned memory is not overwritten before its copy to the GPU is done, and holds NaN until a copy
  from the GPU is known to be done.
* `CUDAGraph.replay` runs the recorded operations on the recorded memory, and no Python.

Counted by `gpu.count`: host waits, copies, launches, replays. `gpu.ops` counts operations by name.
Not covered: cuDNN and cuBLAS (which algorithm, determinism, TF32), how much memory a real allocator
takes, and real kernels.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from pretended_calls import Calls, Generator
from pretended_copies import Copies
from pretended_graphs import Capture, Current, Graph
from pretended_operations import kernels, replaced, tensors_of, wait_of, written
from pretended_order import Memory, spoil
from pretended_streams import Broken, Event, Now, Stream
from pretended_tensor import Cuda

__all__ = ["Broken", "Cuda", "Event", "Graph", "Machine", "Stream"]

aten = torch.ops.aten


class Machine(Copies):
    """Pretended GPUs, to be used in a `with` statement.

    Args:
        devices: how many there are.

    Attributes:
        ops: how often each operation ran outside of a capture, by name.
    """

    def __init__(self, devices: int = 1) -> None:
        super().__init__(devices)
        self.ops: collections.Counter[str] = collections.Counter()

    def __enter__(self) -> Machine:
        assert Now.order is None, "there is one machine at a time"
        Now.order = self
        self._stack = contextlib.ExitStack()
        for name, value in self._functions().items():
            self._stack.enter_context(mock.patch.object(torch.cuda, name, value))
        cast = torch.autocast

        def autocast(kind: str, *args: Any, **kw: Any) -> Any:
            return cast("cpu" if kind == "cuda" else kind, *args, **kw)

        self._stack.enter_context(mock.patch.object(torch, "autocast", autocast))
        self._stack.enter_context(mock.patch.object(torch, "Generator", Generator))
        self._stack.enter_context(Calls(self))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
                assert not self.broken, f"refused, and then hidden: {self.broken}"
        finally:
            self._stack.close()
            Now.order = None

    def _functions(self) -> dict[str, Any]:
        """What stands in the module `torch.cuda` meanwhile."""
        return {
            "Stream": Stream,
            "Event": Event,
            "CUDAGraph": Graph,
            "graph": Capture,
            "graph_pool_handle": lambda: (0, 1),
            "stream": Current,
            "current_stream": self.stream,
            "default_stream": self.default,
            "set_stream": self.choose,
            "is_current_stream_capturing": lambda: self.stream() in self.inside,
            "synchronize": self.synchronize,
            "is_available": lambda: True,
            "is_initialized": lambda: True,
            "init": lambda: None,
            "device_count": lambda: self.devices,
            "current_device": lambda: self.device,
            "set_device": self._set_device,
            "device": self._on,
            "get_device_name": lambda device=None: "pretended",
            "get_device_capability": lambda device=None: (9, 0),
            "empty_cache": lambda: None,
            "memory_allocated": lambda device=None: self.allocated,
            "memory_reserved": lambda device=None: self.allocated,
            "max_memory_allocated": lambda device=None: self.peak,
            "max_memory_reserved": lambda device=None: self.peak,
            "reset_peak_memory_stats": self._reset_peak,
            "mem_get_info": lambda device=None: (8 << 30, 8 << 30),
            "manual_seed": torch.manual_seed,
            "manual_seed_all": torch.manual_seed,
        }

    def _set_device(self, device: Any) -> None:
        if not 0 <= self.index(device) < self.devices:
            self.refuse(f"invalid device ordinal {device}")
        self.device = self.index(device)

    @contextlib.contextmanager
    def _on(self, device: Any) -> Iterator[None]:
        before = self.device
        self._set_device(device)
        try:
            yield
        finally:
            self.device = before

    def _reset_peak(self, device: Any = None) -> None:
        self.peak = self.allocated

    @contextlib.contextmanager
    def counting(self) -> Iterator[collections.Counter[str]]:
        """Count what happens in a `with` statement; the counter is filled at its end."""
        before, counted = self.count.copy(), collections.Counter[str]()
        yield counted
        counted.update(self.count - before)

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operation that has a `Cuda` tensor among its arguments."""
        name = func.overloadpacket.__name__
        flat = list(tensors_of((args, *kwargs.values())))
        ours = [t for t in flat if isinstance(t, Cuda)]
        devices = {t.held.memory.owner.device.index for t in ours}
        if func is aten.copy_.default and (len(ours) < len(flat) or len(devices) > 1):
            return self.cross(*args, **kwargs)
        self._check(name, func, args, flat, devices)
        launched = kernels(func, args)
        stream = self.launch(ours[0].get_device(), launched)
        plain = replaced(args, _elem), {k: replaced(v, _elem) for k, v in kwargs.items()}
        changed = {id(t) for t in written(func, *plain)}
        read = [t.held.memory for t in ours]
        altered = [t.held.memory for t in ours if id(t.elem) in changed]
        for memory in read:
            self.read(memory, stream)
        for memory in altered:
            self.write(memory, stream)
        if self.capturing is not None:
            for t in ours:
                if id(t.elem) in changed:
                    self.capturing.changes(t.elem)
        result = func(*plain[0], **plain[1])
        return self._wrapped(func, plain, result, ours, (stream, launched, read, altered))

    def _wrapped(self, func: Any, plain: Any, result: Any, ours: list[Cuda], ran: Any) -> Any:
        """Wrap the results of an operation, and record it where a capture goes on."""
        stream, launched, read, altered = ran
        name = func.overloadpacket.__name__
        known = {_pointer(t.elem): t.held for t in ours}
        back = {id(t.elem): t for t in ours}
        outs: list[torch.Tensor | None] = []
        made: list[Memory] = []

        def wrapped(t: Any) -> Any:
            if not isinstance(t, torch.Tensor):
                outs.append(None)
                return t
            held = known.get(_pointer(t))
            outs.append(t if held is None else None)
            if held is None:
                if "empty" in name:
                    spoil(t)
                held = self.allocate(stream, t.untyped_storage().nbytes())
                made.append(held.memory)
            return back[id(t)] if id(t) in back else Cuda(t, held)

        several = isinstance(result, (tuple, list))
        given = type(result)(map(wrapped, result)) if several else wrapped(result)
        if self.capturing is None:
            self.ops[name] += 1
        elif launched or altered:
            self.capturing.kernels[name] += launched
            for t in outs:
                if t is not None:
                    self.capturing.makes(t)
            self.capturing.record(_again(func, plain, outs, several), read, [*altered, *made])
        return given

    def _check(self, name: str, func: Any, args: Any, flat: list[Any], devices: set[int]) -> None:
        """Refuse tensors of several devices, and waits and random numbers in a capture."""
        if len(devices) > 1:
            self.refuse(f"{name}: tensors of the GPUs {sorted(devices)} are mixed")
        indices = list(tensors_of(args[1:2])) if name.startswith(("index", "_index")) else []
        # PyTorch makes masked_fill of t[mask] = number; the number is on the CPU at this place.
        number = args[2] if name.startswith("index_put") else None
        filled = number is not None and number.ndim == 0 and not isinstance(number, Cuda)
        for t in flat:
            if isinstance(t, Cuda) or (filled and t is number):
                continue
            if any(t is index for index in indices):
                self.count["h2d"] += 1
                self.waits("index on the CPU")
            elif t.ndim:
                self.refuse(f"{name}: a cuda tensor and a CPU tensor {tuple(t.shape)} are mixed")
            elif self.capturing is not None:
                self.refuse(f"{name}: a number on the CPU is baked into the graph")
        wait = wait_of(func)
        if wait is None and not filled and any(t.dtype == torch.bool for t in indices):
            wait = "nonzero"
        if wait is not None:
            self.waits(wait)
        if torch.Tag.nondeterministic_seeded in func.tags and self.capturing is not None:
            self.refuse(f"{name}: a random number in the graph")


def _again(func: Any, plain: Any, outs: list[torch.Tensor | None], several: bool) -> Any:
    args, kwargs = plain

    def again(stream: Stream) -> None:
        result = func(*args, **kwargs)
        for out, new in zip(outs, result if several else (result,), strict=True):
            if out is not None:
                out.copy_(new)

    return again


def _elem(t: torch.Tensor) -> torch.Tensor:
    return t.elem if isinstance(t, Cuda) else t


def _pointer(t: torch.Tensor) -> Any:
    return t.untyped_storage().data_ptr() or object()
