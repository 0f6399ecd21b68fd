"""The step of many small networks as one CUDA graph on parallel streams.

A network of the search launches some hundred kernels a step, each shorter than its launch, and
nine of them one after the other leave a GPU idle most of the time. Captured once a round and
replayed, a step costs one launch, and the siblings' kernels overlap. The host waits once a step,
for the losses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
Program = Callable[
    [int, Sequence[Batch], Sequence[Batch] | None, Tensor, Tensor], tuple[Tensor, Tensor]
]
WARM_UP = 3  # steps before the capture, in which cuDNN and the allocator settle


class Captured:
    """`program(i, train, validation, tau, share)` of several i at once; `state` are the tensors
    that it changes in place. Shapes stay those of the first call."""

    def __init__(self, program: Program, state: Sequence[Tensor]) -> None:
        self._program, self._state = program, state
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(
        self,
        mine: Sequence[int],
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        share: float,
    ) -> list[tuple[float, float, float, float]]:
        """Training and validation loss of each, and zeros where others tell seconds and that memory
        ran out."""
        if self._graph is None:
            self._capture(mine, train, validation)
        assert self._graph is not None
        _copy(self._train, train)
        if validation is not None and self._validation is not None:
            _copy(self._validation, validation)
        self._clock.copy_(torch.tensor([tau, share]))
        self._graph.replay()
        return [(a, b, 0.0, 0.0) for a, b in self._losses.tolist()]

    def _capture(
        self, mine: Sequence[int], train: Sequence[Batch], validation: Sequence[Batch] | None
    ) -> None:
        device = train[0][0].device
        self._train = [(x.clone(), y.clone()) for x, y in train]
        self._validation = None
        if validation is not None:
            self._validation = [(x.clone(), y.clone()) for x, y in validation]
        self._clock = torch.zeros(2, device=device)
        before = [t.detach().clone() for t in self._state]
        main, *streams = (_stream(device) for _ in range(len(mine) + 1))
        main.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(main):
            for _ in range(WARM_UP):
                self._all(mine, streams, main)
        torch.cuda.current_stream(device).wait_stream(main)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=main):
            self._losses = self._all(mine, streams, main)
        with torch.no_grad():  # the warm-up was no training
            for t, value in zip(self._state, before, strict=True):
                t.copy_(value)

    def _all(
        self, mine: Sequence[int], streams: Sequence[torch.cuda.Stream], main: torch.cuda.Stream
    ) -> Tensor:
        """All programs, forked from `main` and joined to it; losses (len(mine), 2)."""
        losses = []
        for stream in streams:
            stream.wait_stream(main)
        for i, stream in zip(mine, streams, strict=True):
            with torch.cuda.stream(stream):
                pair = self._program(i, self._train, self._validation, *self._clock.unbind())
                losses.append(torch.stack(pair))
        for stream in streams:
            main.wait_stream(stream)
        return torch.stack(losses)


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _copy(into: Sequence[Batch], batches: Sequence[Batch]) -> None:
    for (x, y), (images, labels) in zip(into, batches, strict=True):
        x.copy_(images)
        y.copy_(labels)
