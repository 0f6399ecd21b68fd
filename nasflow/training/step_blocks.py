"""Numbers that are drawn on the CPU and used on a GPU: one copy carries those of many steps.

A copy from ordinary memory of the host waits until the GPU has done it, so that several small
copies in each step leave the GPU idle. Here the numbers of STEPS steps lie in one piece of pinned
memory, which the system never moves. One copy brings all of them to the GPU, and the host goes on
at once. What batches need of these numbers, such as places of pixels, is computed for all steps of
a block at once, because to launch a kernel (a function on the GPU) takes longer than such a small
kernel runs. A batch that is flipped and shifted and has a cutout launches 15 kernels in this way;
it would launch 31 without it (counted on the pretended GPU of the tests).

While the steps of one block train, the numbers of the next block are drawn, those of one step for
each step. The work of the host is therefore as even as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Numbers = Mapping[str, np.ndarray]  # what one step needs, by name
Prepare = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
STEPS = 32  # steps in one block; block b holds the steps from b * STEPS on
ALIGNED = 16  # bytes; the numbers of each name begin at a multiple of it


class Place(NamedTuple):
    """Where the numbers of one name lie in a block.

    Attributes:
        start: the first byte.
        end: the byte behind the last one.
        dtype: the type of the numbers.
        shape: (STEPS, ...), with the shape of the numbers of one step behind STEPS.
    """

    start: int
    end: int
    dtype: np.dtype
    shape: tuple[int, ...]


def layout(numbers: Numbers) -> dict[str, Place]:
    """Decide where the numbers of each name lie in a block.

    Args:
        numbers: those of any step; the types and shapes are the same in every step.

    Returns:
        The place of each name.
    """
    places, end = dict[str, Place](), 0
    for name, array in numbers.items():
        start = -(-end // ALIGNED) * ALIGNED
        end = start + STEPS * array.nbytes
        places[name] = Place(start, end, array.dtype, (STEPS, *array.shape))
    return places


class Block:
    """The numbers of STEPS successive steps, in one piece of memory of the host.

    The memory of each block is new. torch frees the pinned memory of a copy only when the GPU has
    done the copy, and uses the memory of the GPU again only for later work of the same stream. A
    block therefore never overwrites what the GPU still reads.

    Args:
        number: the number of the block.
        places: what `layout` returned.
        draw: draws the numbers of a step.
    """

    def __init__(
        self, number: int, places: Mapping[str, Place], draw: Callable[[int], Numbers]
    ) -> None:
        self.number, self._places, self._draw, self._drawn = number, places, draw, 0
        self._memory = pinned(max(place.end for place in places.values()))
        memory = self._memory.numpy()
        self._views = {
            name: memory[place.start : place.end].view(place.dtype).reshape(place.shape)
            for name, place in places.items()
        }

    def fill(self, count: int) -> None:
        """Draw the numbers of the first `count` steps, as far as they are not drawn yet."""
        for i in range(self._drawn, count):
            for name, numbers in self._draw(self.number * STEPS + i).items():
                self._views[name][i] = numbers
        self._drawn = max(self._drawn, count)

    def sent(self, device: torch.device) -> dict[str, Tensor]:
        """Copy all numbers to a GPU, without waiting for it.

        Returns:
            The numbers of all steps by name, (STEPS, ...); all are views of one tensor.
        """
        self.fill(STEPS)
        whole = self._memory.to(device, non_blocking=True)
        return {
            name: whole[place.start : place.end].view(_torch_type(place.dtype)).view(place.shape)
            for name, place in self._places.items()
        }


class DrawnAhead:
    """The numbers of any step, on a GPU. Successive steps cost one copy in STEPS steps.

    Any other order of steps gives the same numbers; a jump to another block costs a copy.

    Args:
        draw: draws the numbers of a step on the CPU; a pure function of the step.
        prepare: computes on the GPU, from the numbers of STEPS steps at once, what the steps read:
            tensors (STEPS, ...) from tensors (STEPS, ...). A step by itself would launch STEPS
            times as many kernels.
        device: the GPU.
    """

    def __init__(
        self, draw: Callable[[int], Numbers], prepare: Prepare, device: torch.device
    ) -> None:
        self._draw, self._prepare, self._device = draw, prepare, device
        self._places: dict[str, Place] | None = None
        self._number = -1
        self._sent: dict[str, Tensor] = {}
        self._next: Block | None = None

    def __call__(self, step: int) -> dict[str, Tensor]:
        """Return what `prepare` made for a step, by name, on the GPU."""
        number, place = divmod(step, STEPS)
        if number != self._number or self._next is None:
            self._go_to(number)
        assert self._next is not None
        self._next.fill(place + 1)
        return {name: numbers[place] for name, numbers in self._sent.items()}

    def _go_to(self, number: int) -> None:
        if self._places is None:
            self._places = layout(self._draw(number * STEPS))
        block = self._next
        if block is None or block.number != number:
            block = Block(number, self._places, self._draw)
        self._sent, self._number = self._prepare(block.sent(self._device)), number
        self._next = Block(number + 1, self._places, self._draw)


def pinned(size: int) -> Tensor:
    """Return new pinned memory of the host, uint8 (size,)."""
    return torch.empty(size, dtype=torch.uint8, pin_memory=True)


def _torch_type(dtype: np.dtype) -> torch.dtype:
    return torch.from_numpy(np.empty(0, dtype)).dtype
