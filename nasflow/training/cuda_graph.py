"""The training step of many small networks as one CUDA graph on parallel streams.

A CUDA graph is a recorded sequence of kernels (functions on the GPU) that one call starts again. A
stream is a queue of kernels; kernels of different streams may run at the same time. A network of
the search needs some hundred kernels in each step. Each of them runs for a shorter time than its
launch takes, so that nine networks one after the other leave a GPU idle most of the time. The graph
is captured once in each round. Every later step costs one launch, and the kernels of the siblings
overlap. The host waits for the GPU once in each step, for the losses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor]
Program = Callable[
    [int, Sequence[Batch], Sequence[Batch] | None, Tensor, Tensor], tuple[Tensor, Tensor]
]
WARM_UP = 3  # steps before the capture, until cuDNN and the allocator have settled


class Captured:
    """A step of several siblings that is captured on its first run and replayed on later ones.

    Args:
        program: trains and validates sibling i: `program(i, train, validation, tau, rate)` returns
            the training and the validation loss in nats, tensors without dimensions.
        state: all tensors that the program changes in place.
    """

    def __init__(self, program: Program, state: Sequence[Tensor]) -> None:
        self._program, self._state = program, state
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(
        self,
        mine: Sequence[int],
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        rate: float,
    ) -> list[tuple[float, float, float, float]]:
        """Train and validate the siblings for one step.

        The first run captures the graph. All later runs must have the same siblings, the same
        shapes, and validation batches if and only if the first run had them.

        Args:
            mine: the indices of the siblings of this rank.
            train: training batches: images (b, channels, height, width) and labels, which are
                classes (b,) or probabilities of classes (b, classes).
            validation: validation batches with labels (b,); None: without validation.
            tau: step size.
            rate: how far the running averages move towards the newest values, from 0 to 1.

        Returns:
            For each sibling its training loss and validation loss in nats, and two zeros. In their
            place, a step without a graph returns seconds and whether memory ran out.
        """
        if self._graph is None:
            self._capture(mine, train, validation)
        assert self._graph is not None
        _copy(self._train, train)
        if validation is not None and self._validation is not None:
            _copy(self._validation, validation)
        self._tau_and_rate.copy_(torch.tensor([tau, rate]))
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
        self._tau_and_rate = torch.zeros(2, device=device)
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
        with torch.no_grad():  # undoes what the warm-up changed
            for t, value in zip(self._state, before, strict=True):
                t.copy_(value)

    def _all(
        self, mine: Sequence[int], streams: Sequence[torch.cuda.Stream], main: torch.cuda.Stream
    ) -> Tensor:
        """Run each program on a stream of its own, between two points of the stream `main`.

        Returns the losses (len(mine), 2).
        """
        losses = []
        for stream in streams:
            stream.wait_stream(main)
        for i, stream in zip(mine, streams, strict=True):
            with torch.cuda.stream(stream):
                tau, rate = self._tau_and_rate.unbind()
                pair = self._program(i, self._train, self._validation, tau, rate)
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
