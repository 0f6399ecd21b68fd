"""A GPU that is not there: tensors that say `cuda`, hold real numbers, and obey CUDA's rules.

`with Machine() as gpu:` makes every `device="cuda"` give a `Cuda` tensor, a wrapper whose numbers
live on the CPU (C++ takes it for a CPU tensor, so that autograd needs no CUDA stream). Checked:

* no operation mixes a `Cuda` and a CPU tensor (0-dim CPU operands are noted, and a capture refuses
  them)
* nothing takes a `Cuda` tensor for memory of the host (`numpy`)
* inside `torch.cuda.graph`: no item/nonzero/copy between devices/random number
* streams: every read and write is ordered behind the last write by wait_stream (vector clocks), and
  all streams of a capture are joined before it ends
* `CUDAGraph.replay` runs the recorded operations on the recorded memory, and no Python: what was
  baked in at capture shows as a wrong number

Counted by name: host waits, copies to and from the device, operations (`gpu.count`).
Not covered: cuDNN and cuBLAS (which algorithm, determinism, TF32), the allocator, real kernels.
"""

from __future__ import annotations

import collections
import contextlib
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter, tree_map

CUDA = torch.device("cuda:0")
NOW: Machine | None = None
aten = torch.ops.aten
WAITS = {
    aten._local_scalar_dense.default: "item",
    aten.nonzero.default: "nonzero",
    aten.equal.default: "equal",
    aten.masked_select.default: "masked_select",
    aten.is_nonzero.default: "is_nonzero",
}


class Broken(AssertionError):
    """A rule of CUDA is broken."""


class Cuda(torch.Tensor):
    @staticmethod
    def __new__(cls, elem: torch.Tensor) -> Cuda:
        assert type(elem) is torch.Tensor, type(elem)
        return torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            elem.size(),
            strides=elem.stride(),
            storage_offset=elem.storage_offset(),
            dtype=elem.dtype,
            layout=elem.layout,
            device="cpu",
            requires_grad=False,
        )

    def __init__(self, elem: torch.Tensor) -> None:
        self.elem = elem

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def numpy(self, *args: Any, **kw: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    __array__ = numpy

    def tolist(self) -> Any:
        assert NOW is not None
        NOW.host("tolist")
        return self.elem.detach().tolist()

    def __repr__(self, **kw: Any) -> str:
        return f"Cuda({tuple(self.shape)}, {self.dtype})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert NOW is not None, f"{func} outside of the machine"
        return NOW.run(func, args, kwargs or {})


def _data(t: torch.Tensor) -> int:
    return t.untyped_storage().data_ptr()


def _written(func: Any, args: Any) -> list[torch.Tensor]:
    """What an operation changes in place; BatchNorm's schema hides its running statistics."""
    found = []
    if func is aten.native_batch_norm.default and args[5]:
        return [args[3], args[4]]
    for argument, value in zip(func._schema.arguments, args, strict=False):
        if argument.alias_info is not None and argument.alias_info.is_write:
            found += [t for t in tree_iter(value) if isinstance(t, torch.Tensor)]
    return found


class Stream:
    def __init__(self, device: Any = None, **_: Any) -> None:
        self.clock: collections.Counter[Stream] = collections.Counter()

    def wait_stream(self, other: Stream) -> None:
        for s, t in other.clock.items():
            self.clock[s] = max(self.clock[s], t)

    def synchronize(self) -> None:
        pass


class Graph:
    def __init__(self, keep_graph: bool = False) -> None:
        self.tape: list[Any] = []
        self.before: list[tuple[torch.Tensor, torch.Tensor]] = []

    def replay(self) -> None:
        assert NOW is not None
        NOW.count["replay"] += 1
        NOW.current.clock[NOW.current] += 1
        with torch.no_grad():
            for func, args, kwargs, outs in self.tape:
                for t in tree_iter((args, kwargs)):
                    if isinstance(t, torch.Tensor):
                        NOW.read(t)
                for t in _written(func, args):
                    NOW.wrote(t)
                for t in outs:
                    if t is not None:
                        NOW.wrote(t, fresh=True)
                again = func(*args, **kwargs)
                news = again if isinstance(again, (tuple, list)) else (again,)
                for out, new in zip(outs, news, strict=True):
                    if out is not None:
                        out.copy_(new)


@contextlib.contextmanager
def _capture(graph: Graph, pool: Any = None, stream: Any = None, **_: Any) -> Any:
    gpu = NOW
    assert gpu is not None and stream is not None and gpu.capturing is None
    ran = dict(gpu.written), {key: dict(reads) for key, reads in gpu.reads.items()}
    with gpu.on(stream):
        gpu.capturing, gpu.inside = graph, {stream}
        try:
            yield
        finally:
            gpu.capturing = None
    for s in gpu.inside:
        if s.clock[s] > stream.clock[s]:
            raise Broken("a stream of the capture is not joined to it")
    with torch.no_grad():  # what is captured does not run
        for t, value in reversed(graph.before):
            t.copy_(value)
        for *_, outs in graph.tape:
            for t in outs:
                if t is not None and t.is_floating_point():
                    t.fill_(float("nan"))
    gpu.written, gpu.reads = ran


class _Factories(TorchFunctionMode):
    """`device=cuda` at Python's level: nothing reaches the CUDA runtime."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        assert NOW is not None
        name = getattr(func, "__name__", "")
        if name in ("to", "cpu", "cuda") and isinstance(args[0], torch.Tensor):
            return self._to(name, func, args, kwargs)
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "cuda":
            kwargs["device"] = "cpu"
            if args and isinstance(args[0], Cuda):
                return func(*args, **kwargs)
            made = func(*args, **kwargs)
            if any(isinstance(a, torch.Tensor) for a in args) or name in ("tensor", "as_tensor"):
                NOW.host("h2d")
            return made if isinstance(made, Cuda) else NOW.wrap(made.detach().clone())
        return func(*args, **kwargs)

    def _to(self, name: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        t, rest = args[0], list(args[1:])
        target = {"cpu": "cpu", "cuda": "cuda"}.get(name)
        if name == "to":
            target = kwargs.pop("device", None)
            for i, a in enumerate(rest):
                if isinstance(a, (str, torch.device)):
                    target = rest.pop(i)
                    break
                if isinstance(a, torch.Tensor):
                    target, rest[i] = a.device, a.dtype
                    break
        kind = None if target is None else torch.device(target).type
        here = "cuda" if isinstance(t, Cuda) else "cpu"
        assert NOW is not None
        if kind is None or kind == here:
            return t.to(*rest, **kwargs) if rest or kwargs else t
        if kind == "cpu":
            NOW.host("d2h")
            NOW.read(t.elem)
            moved = t.elem.detach().clone()
            return moved.to(*rest, **kwargs) if rest or kwargs else moved
        NOW.host("h2d")
        moved = NOW.wrap(t.detach().clone())
        kwargs.pop("copy", None)
        kwargs.pop("non_blocking", None)
        return moved.to(*rest, **kwargs) if rest or kwargs else moved


class Machine:
    def __init__(self) -> None:
        self.count: collections.Counter[str] = collections.Counter()
        self.ops: collections.Counter[str] = collections.Counter()
        self.capturing: Graph | None = None
        self.inside: set[Stream] = set()
        self.default = self.current = Stream()
        self.written: dict[int, tuple[Stream, int]] = {}
        self.reads: dict[int, dict[Stream, int]] = {}
        self.notes: collections.Counter[str] = collections.Counter()

    def __enter__(self) -> Machine:
        global NOW
        assert NOW is None
        NOW = self
        cast = torch.autocast

        def autocast(kind: str, *args: Any, **kw: Any) -> Any:
            return cast("cpu" if kind == "cuda" else kind, *args, **kw)

        self._stack = contextlib.ExitStack()
        for name, value in {
            "Stream": Stream,
            "CUDAGraph": Graph,
            "graph": _capture,
            "stream": self.on,
            "current_stream": lambda device=None: self.current,
            "synchronize": lambda device=None: None,
            "device_count": lambda: 1,
            "is_available": lambda: True,
            "get_device_name": lambda device=None: "pretended",
            "empty_cache": lambda: None,
            "set_device": lambda device: None,
            "get_device_capability": lambda device=None: (9, 0),
        }.items():
            self._stack.enter_context(mock.patch.object(torch.cuda, name, value))
        self._stack.enter_context(mock.patch.object(torch, "autocast", autocast))
        self._stack.enter_context(_Factories())
        return self

    def __exit__(self, *_: object) -> None:
        global NOW
        NOW = None
        self._stack.close()

    @contextlib.contextmanager
    def on(self, stream: Stream) -> Any:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def host(self, what: str) -> None:
        """The host waits, or memory crosses: not in a capture. All is done afterwards."""
        self.count[what] += 1
        if self.capturing is not None:
            raise Broken(f"{what} while a stream is capturing")

    def wrap(self, t: torch.Tensor) -> Cuda:
        self.wrote(t, fresh=True)
        return Cuda(t)

    def read(self, t: torch.Tensor) -> None:
        key = _data(t)
        if key in self.written:
            s, time = self.written[key]
            if s is not self.current and self.current.clock[s] < time:
                raise Broken("read of memory that another stream may still write")
        self.reads.setdefault(key, {})[self.current] = self.current.clock[self.current]

    def wrote(self, t: torch.Tensor, fresh: bool = False) -> None:
        key, now = _data(t), self.current
        if not fresh:
            self.read(t)
            for s, time in self.reads.get(key, {}).items():
                if s is not now and now.clock[s] < time:
                    raise Broken("write to memory that another stream may still read")
        self.written[key], self.reads[key] = (now, now.clock[now]), {}

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        name = func.overloadpacket.__name__
        self.ops[name] += 1
        self.current.clock[self.current] += 1
        if self.capturing is not None:
            self.inside.add(self.current)
        crossing = func in (aten.copy_.default, aten._to_copy.default)
        indexing = name in ("index", "index_put_", "index_put", "_index_put_impl_")
        for place, t in enumerate(tree_iter((args, kwargs))):
            if isinstance(t, torch.Tensor) and not isinstance(t, Cuda):
                if crossing:
                    self.host("h2d" if place else "d2h")
                elif indexing:
                    self.host("h2d")
                    self.notes[f"{name}: CPU index"] += 1
                elif t.ndim == 0:
                    self.notes[f"{name}: CPU scalar"] += 1
                    if self.capturing is not None:
                        raise Broken(f"{name}: a CPU scalar is baked into the graph")
                else:
                    raise Broken(f"{name}: Cuda and CPU tensor {tuple(t.shape)} mixed")
        if func in WAITS:
            self.host(WAITS[func])
        if indexing and any(
            isinstance(t, torch.Tensor) and t.dtype == torch.bool for t in tree_iter(args[1])
        ):
            self.host("nonzero")
        if torch.Tag.nondeterministic_seeded in func.tags and self.capturing is not None:
            raise Broken(f"{name}: a random number in the graph")
        plain = tree_map(lambda t: t.elem if isinstance(t, Cuda) else t, (args, kwargs))
        given = [t.elem for t in tree_iter((args, kwargs)) if isinstance(t, Cuda)]
        for t in given:
            self.read(t)
        known = {_data(t) for t in given}
        changed = _written(func, plain[0])
        if self.capturing is not None:
            self.capturing.before += [(t, t.clone()) for t in changed]
        result = func(*plain[0], **plain[1])
        results = result if isinstance(result, (tuple, list)) else (result,)
        for t in changed:
            self.wrote(t)
        outs = [
            t if isinstance(t, torch.Tensor) and _data(t) not in known else None for t in results
        ]
        for t in outs:
            if t is not None:
                self.wrote(t, fresh=True)
        if self.capturing is not None:
            self.capturing.tape.append((func, *plain, outs))
        back = {id(t.elem): t for t in tree_iter((args, kwargs)) if isinstance(t, Cuda)}
        return tree_map(
            lambda t: (
                (back.get(id(t)) if id(t) in back else Cuda(t))
                if isinstance(t, torch.Tensor)
                else t
            ),
            result,
        )
