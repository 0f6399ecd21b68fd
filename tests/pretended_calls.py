"""Calls of PyTorch with `device="cuda"`, `to`, `cpu` and pinned memory, on a pretended GPU.

They are caught at the level of Python, so that nothing reaches the runtime of CUDA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pretended_order import spoil
from pretended_streams import active
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from pretended_gpu import Machine

MOVES = ("to", "cpu", "cuda")
RANDOM = ("rand", "normal", "bernoulli", "multinomial", "poisson")
FROM_HOST = ("tensor", "as_tensor", "asarray", "new_tensor")


class Calls(TorchFunctionMode):
    """Catches every call of PyTorch in a `with` statement."""

    def __init__(self, gpu: Machine) -> None:
        super().__init__()
        self._gpu = gpu

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in MOVES and args and isinstance(args[0], torch.Tensor):
            return self._to(name, args[0], list(args[1:]), kwargs)
        if name == "is_pinned" and not _ours(args[0]):
            return self._gpu.is_pinned(args[0])
        if name == "pin_memory":
            return self._gpu.pin(args[0].clone())
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "cuda":
            return self._make(name, func, args, kwargs)
        if kwargs.get("pin_memory"):
            del kwargs["pin_memory"]
            return self._gpu.pin(self._plain(func, args, kwargs))
        if device is not None and args and _ours(args[0]):
            return self._plain(func, args, kwargs)
        return func(*args, **kwargs)

    def _plain(self, func: Any, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
        """Make a tensor on the CPU, perhaps like a `Cuda` tensor."""
        if args and _ours(args[0]):
            args = (args[0].elem, *args[1:])
        made: torch.Tensor = func(*args, **kwargs)
        return made

    def _make(self, name: str, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Make a tensor on a GPU."""
        device = kwargs.pop("device")
        gpu = self._gpu
        if name.startswith(RANDOM):
            if gpu.capturing is not None:
                gpu.refuse(f"{name}: a random number in the graph")
            self._check_generator(kwargs)
        if args and _ours(args[0]):
            if name in FROM_HOST and name != "new_tensor":
                return self._to("to", args[0], [device], {})
            if gpu.index(device) == args[0].get_device():
                return func(*args, **kwargs)
        if name in FROM_HOST:
            gpu.count["h2d"] += 1
            gpu.waits(f"torch.{name}")
        with torch._C.DisableTorchFunction():
            made = self._plain(func, args, kwargs)
        made, launches = made.detach().clone(), 1
        if "empty" in name:
            spoil(made)
            launches = 0
        return gpu.wrap(made, device, launches).requires_grad_(bool(kwargs.get("requires_grad")))

    def _check_generator(self, kwargs: dict[str, Any]) -> None:
        generator = kwargs.get("generator")
        if generator is not None and not isinstance(generator, Generator):
            self._gpu.refuse("a generator on the CPU draws numbers for a GPU")

    def _to(self, name: str, t: Any, rest: list[Any], kwargs: dict[str, Any]) -> Any:
        """Move a tensor, and change its type where that is asked for."""
        target = _target(name, rest, kwargs)
        late = bool(kwargs.pop("non_blocking", False))
        copy = bool(kwargs.pop("copy", False))
        rest = [a for a in rest if not isinstance(a, bool)]
        if target is not None and torch.device(target).type == "cuda":
            moved = self._up(t, target, late)
        elif target is not None and _ours(t):
            moved = self._down(t, late)
        else:
            moved = t
        if rest or kwargs:
            changed: Any = torch._C.TensorBase.to(moved, *rest, **kwargs)
            return changed.clone() if copy and changed is t else changed
        return moved.clone() if copy and moved is t else moved

    def _up(self, t: Any, device: Any, late: bool) -> Any:
        gpu = self._gpu
        if _ours(t) and t.get_device() == gpu.index(device):
            return t
        with torch.no_grad():
            return gpu.wrap(_like(t.elem if _ours(t) else t), device, 0).copy_(t, non_blocking=late)

    def _down(self, t: Any, late: bool) -> torch.Tensor:
        target = _like(t.elem)
        if late:  # PyTorch takes pinned memory for the target then
            self._gpu.pin(target)
        with torch.no_grad():
            return target.copy_(t, non_blocking=late)


REAL = torch.Generator


class Generator(REAL):
    """A generator, like `torch.Generator`; on a pretended GPU its numbers are those of the CPU."""

    def __new__(cls, device: Any = "cpu") -> Any:
        where = torch.device(device)
        return super().__new__(cls, "cpu") if where.type == "cuda" else REAL(where)

    def __init__(self, device: Any = "cpu") -> None:
        self._index = active().index(device)

    device = property(lambda self: torch.device("cuda", self._index))


def _ours(t: Any) -> bool:
    return hasattr(t, "held")


def _like(t: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(t.detach())


def _target(name: str, rest: list[Any], kwargs: dict[str, Any]) -> Any:
    """Take the device out of the arguments of `to`; None where there is none."""
    if name != "to":
        return rest.pop(0) if rest and name == "cuda" and not isinstance(rest[0], bool) else name
    if "device" in kwargs:
        return kwargs.pop("device")
    for i, a in enumerate(rest):
        if isinstance(a, (str, torch.device)):
            return rest.pop(i)
        if isinstance(a, torch.Tensor):
            rest[i] = a.dtype
            return a.device
    return None
