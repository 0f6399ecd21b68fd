"""A tensor that says `cuda` and keeps its numbers on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from pretended_order import Held
from pretended_streams import Stream, active


class Cuda(torch.Tensor):
    """A tensor on a pretended GPU.

    Args:
        elem: the tensor on the CPU that holds the numbers.
        held: the hold of its memory.
    """

    @staticmethod
    def __new__(cls, elem: torch.Tensor, held: Held) -> Cuda:
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

    def __init__(self, elem: torch.Tensor, held: Held) -> None:
        self.elem, self.held = elem, held

    device = property(lambda self: self.held.memory.owner.device)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def get_device(self) -> int:
        return int(self.device.index)

    def numpy(self, *args: Any, **kw: Any) -> Any:
        active().refuse(
            "the memory of a cuda tensor is read by the host, as a kernel of numba does"
        )

    __array__ = data_ptr = __dlpack__ = numpy

    def tolist(self) -> Any:
        order = active()
        stream = order.stream(self.device)
        stream.launch()
        order.read(self.held.memory, stream)
        order.waits("tolist", stream.clock)
        return self.elem.detach().tolist()

    def record_stream(self, stream: Stream) -> None:
        self.held.memory.lent.add(stream)

    def is_pinned(self, *_: Any) -> bool:
        return False

    def __repr__(self, **kw: Any) -> str:
        return f"Cuda({tuple(self.shape)}, {self.dtype}, {self.device})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return active().run(func, args, kwargs or {})
