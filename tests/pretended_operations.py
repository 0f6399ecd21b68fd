"""What PyTorch's operations do on a GPU: which wait for it, what they change, what they launch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

aten = torch.ops.aten
# Operations whose result the host needs at once: a number, or the size of a tensor.
WAITS = {
    "_local_scalar_dense": "item",
    "nonzero": "nonzero",
    "equal": "equal",
    "is_nonzero": "is_nonzero",
    "masked_select": "masked_select",
    "bincount": "bincount",
    "_unique": "unique",
    "_unique2": "unique",
    "unique_dim": "unique",
    "unique_consecutive": "unique",
    "linalg_eigh": "linalg",
    "_linalg_eigh": "linalg",
    "_linalg_svd": "linalg",
    "linalg_qr": "linalg",
}


def tensors_of(values: Iterable[Any]) -> Iterator[torch.Tensor]:
    """Yield the tensors among the arguments of an operation and in its lists."""
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from tensors_of(value)


def replaced(value: Any, by: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return an argument in which each tensor is replaced by what a function returns for it."""
    if isinstance(value, torch.Tensor):
        return by(value)
    if isinstance(value, (list, tuple)):
        return type(value)([replaced(v, by) for v in value])
    return value


def wait_of(func: Any) -> str | None:
    """Return how an operation makes the host wait, or None."""
    if func is aten.repeat_interleave.Tensor:
        return "repeat_interleave"
    return WAITS.get(func.overloadpacket.__name__)


@functools.cache
def _places(func: Any) -> tuple[tuple[int, str], ...]:
    """The arguments that an operation changes in place: their positions and names."""
    arguments = enumerate(func._schema.arguments)
    return tuple((i, a.name) for i, a in arguments if a.alias_info and a.alias_info.is_write)


def written(func: Any, args: Any, kwargs: Any) -> list[torch.Tensor]:
    """List the tensors that an operation changes; BatchNorm's schema hides its statistics."""
    if func is aten.native_batch_norm.default and args[5]:
        return [args[3], args[4]]
    found: list[torch.Tensor] = []
    for place, name in _places(func):
        value = args[place] if place < len(args) else kwargs.get(name)
        found += tensors_of((value,))
    return found


def kernels(func: Any, args: Any) -> int:
    """Estimate how many kernels an operation launches.

    A view and memory without numbers need none. An operation on lists (`_foreach`) needs one, or
    one for each tensor where PyTorch cannot take all tensors together: their types differ, they are
    not dense, or two lists have other strides. Every other operation counts as one, though some of
    them (a convolution, a sum over a large map) launch a few.
    """
    name = func.overloadpacket.__name__
    if func.is_view or name in ("detach", "empty", "empty_like", "new_empty", "empty_strided"):
        return 0
    if name == "_unsafe_view" or name == "lift_fresh":
        return 0
    if not name.startswith("_foreach"):
        return 1
    lists = [a for a in args if isinstance(a, (list, tuple)) and _all_tensors(a)]
    together = len({t.dtype for a in lists for t in a}) == 1 and all(
        len({t.stride() for t in row}) == 1 and _dense(row[0]) for row in zip(*lists, strict=True)
    )
    return 1 if together else len(args[0])


def _all_tensors(values: Any) -> bool:
    return bool(values) and all(isinstance(t, torch.Tensor) for t in values)


def _dense(t: torch.Tensor) -> bool:
    last = t.ndim == 4 and t.is_contiguous(memory_format=torch.channels_last)
    return t.is_contiguous() or last or (t.ndim == 2 and t.T.is_contiguous())
