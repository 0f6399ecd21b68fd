"""The training step of many small networks as one CUDA graph on parallel streams.

A CUDA graph is a recorded sequence of kernels (functions on the GPU) that one call starts again. A
stream is a queue of kernels; kernels of different streams may run at the same time. A network of
the search needs some hundred kernels in each step. Each of them runs for a shorter time than its
launch takes, so that nine networks one after the other leave a GPU idle most of the time. The graph
is captured once in each round. Every later step costs one launch, and the kernels of the siblings
overlap. The host waits for the GPU once in each step, for the losses, as late as it can.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from nasflow.training.workers import Each

Batch = tuple[Tensor, Tensor]
WARM_UP = 3  # steps before the capture, until cuDNN and the allocator have settled
READERS = 2  # streams on which losses are read: one for the latest step, one for that before


class Program(Protocol):
    """A step that is recorded; `joint_step.JointStep` is the one of the siblings."""

    @property
    def state(self) -> list[Tensor]:
        """All tensors that the step changes in place."""

    def __call__(
        self,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: Tensor,
        rate: Tensor,
        each: Each,
    ) -> Tensor:
        """Take the step without waiting for the GPU; return one row of numbers per sibling."""


class Inputs(NamedTuple):
    """The memory from which the graph reads what differs from step to step.

    Attributes:
        train: training batches.
        validation: validation batches, or None.
        tau: the step size, a tensor of no dimension.
        rate: how far the running averages move towards the newest values, likewise.
    """

    train: list[Batch]
    validation: list[Batch] | None
    tau: Tensor
    rate: Tensor


class Reading(NamedTuple):
    """The numbers of one step, which the GPU may still compute.

    Attributes:
        numbers: a copy that no later step overwrites.
        stream: waits for the step of these numbers and for nothing that was launched later.
    """

    numbers: Tensor
    stream: torch.cuda.Stream

    def wait(self) -> list[list[float]]:
        """Wait for the GPU and return the numbers, one row for each sibling."""
        with torch.cuda.stream(self.stream):
            rows: list[list[float]] = self.numbers.tolist()
        return rows


class Captured:
    """A step of several siblings that is captured on its first launch and replayed on later ones.

    It is captured again where the size of the images changes.

    Args:
        program: the step.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: Inputs
        self._numbers: Tensor
        self._readers: Iterator[torch.cuda.Stream]
        self._latest: tuple[float, float]  # tau and rate on the GPU

    def launch(
        self,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        tau: float,
        rate: float,
    ) -> Reading:
        """Let the GPU train and validate the siblings for one step; do not wait for it.

        The first launch captures the graph, and so does one with other shapes than the one before.
        All launches must have validation batches if and only if the first launch had them. All that
        this writes and starts stands in the queue of the current stream, so that it comes after an
        older step.

        Args:
            train: training batches: images (b, channels, height, width) and labels, which are
                classes (b,) or probabilities of classes (b, classes).
            validation: validation batches with labels (b,); None: without validation.
            tau: step size.
            rate: how far the running averages move towards the newest values, from 0 to 1.

        Returns:
            The training loss and the validation loss of each sibling in nats, to be waited for.

        Raises:
            Exception: the first error of the step or of its capture. The siblings then are as
                before, and the next launch captures anew.
        """
        current = torch.cuda.current_stream(train[0][0].device)
        if self._graph is not None and self._inputs.train[0][0].shape != train[0][0].shape:
            current.synchronize()  # the old graph lets go of its memory
            self._graph = None
        if self._graph is None:
            self._capture(train, validation, current)
        assert self._graph is not None
        into = [*self._inputs.train, *(self._inputs.validation or ())]
        _copy(into, [*train, *(validation or ())])
        self._set(tau, rate)
        self._graph.replay()
        reading = Reading(self._numbers.clone(), next(self._readers))
        reading.stream.wait_stream(current)
        return reading

    def _set(self, tau: float, rate: float) -> None:
        """Write numbers as arguments of a kernel; a copy from the host would wait for the GPU."""
        for t, value, before in zip(self._inputs[2:], (tau, rate), self._latest, strict=True):
            if value != before:
                t.fill_(value)
        self._latest = tau, rate

    def _capture(
        self,
        train: Sequence[Batch],
        validation: Sequence[Batch] | None,
        current: torch.cuda.Stream,
    ) -> None:
        device = train[0][0].device
        inputs = Inputs(
            [(x.clone(), y.clone()) for x, y in train],
            None if validation is None else [(x.clone(), y.clone()) for x, y in validation],
            *(torch.zeros((), device=device) for _ in ("tau", "rate")),
        )
        before = [t.detach().clone() for t in self._program.state]
        main, each, graph = _stream(device), SideBySide(device), torch.cuda.CUDAGraph()

        def undo() -> None:
            """Take back what the warm-up changed."""
            for stream in (main, *each.streams):
                current.wait_stream(stream)
            with torch.cuda.stream(current), torch.no_grad():
                for t, value in zip(self._program.state, before, strict=True):
                    t.copy_(value)

        # torch leaves the stream of a capture the current one where the end of the capture fails.
        with torch.cuda.stream(current), _ended_by(undo):
            main.wait_stream(current)
            with torch.cuda.stream(main):
                for _ in range(WARM_UP):
                    self._program(*inputs, each)
            current.wait_stream(main)
            capture = torch.cuda.graph(graph, stream=main)
            capture.__enter__()
            with _ended_by(lambda: capture.__exit__(None, None, None)):
                self._numbers = self._program(*inputs, each)
        self._graph, self._inputs, self._latest = graph, inputs, (0.0, 0.0)
        self._readers = itertools.cycle([_stream(device) for _ in range(READERS)])


class SideBySide:
    """Works like the built-in `map`, with a stream of its own for each call of the function.

    All calls come after what the current stream holds already, and what the current stream gets
    later comes after all of them.

    Attributes:
        streams: the streams so far.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.streams: list[torch.cuda.Stream] = []

    def __call__(self, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        """Return the results of the function for the items, in their order."""
        main, tasks, found = torch.cuda.current_stream(self._device), list(items), []
        while len(self.streams) < len(tasks):
            self.streams.append(_stream(self._device))
        streams = self.streams[: len(tasks)]
        for stream in streams:
            stream.wait_stream(main)
        for task, stream in zip(tasks, streams, strict=True):
            with torch.cuda.stream(stream):
                found.append(work(task))
        for stream in streams:
            main.wait_stream(stream)
        return found


@contextmanager
def _ended_by(end: Callable[[], object]) -> Iterator[None]:
    """Call `end` after the block. Where both fail, the error of the block is the one raised.

    An error inside of a capture makes the end of the capture fail too. The second error says only
    that there was a first one, and would hide, for example, that memory ran out."""
    try:
        yield
    except BaseException as first:
        try:
            end()
        except Exception as second:
            raise first from second
        raise
    end()


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _copy(into: Sequence[Batch], batches: Sequence[Batch]) -> None:
    """Copy all images at once and all labels at once."""
    pairs = list(zip(into, batches, strict=True))
    for part in (0, 1):
        torch._foreach_copy_([x[part] for x, _ in pairs], [y[part] for _, y in pairs])
