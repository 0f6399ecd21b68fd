"""Threads that compute side by side. Each of them uses one thread of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # `map` or `map` of a pool
Item = TypeVar("Item")
First = TypeVar("First")
Then = TypeVar("Then")


class Workers:
    """A pool of threads.

    Args:
        count: the number of threads. With 1, the thread of the caller does the work itself.

    Attributes:
        map: works like the built-in `map`, on all threads of the pool.
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
        self._alone = count == 1
        self.map: Each = map if self._alone else self._pool.map

    def in_two(
        self,
        items: Sequence[Item],
        first: Callable[[Item], First],
        then: Callable[[Item, First], Then],
    ) -> list[tuple[First, Then]]:
        """Do two tasks for each item, of which the second needs the result of the first.

        A pool starts the first tasks of all items, in their order, before any second task. If a
        thread did both tasks of an item at once, one of two threads would train and validate five
        of nine siblings, which loses a tenth of the step. The validations fill this gap. One thread
        alone does both tasks of an item before it starts the next item.

        Args:
            items: what the tasks work on.
            first: the first task, such as to train a sibling.
            then: the second task; it takes the item and the result of `first`.

        Returns:
            Both results for each item, in the order of the items.
        """
        if self._alone:
            return [(done, then(item, done)) for item in items for done in (first(item),)]
        begun = [self._pool.submit(first, item) for item in items]

        def follow(item: Item, before: Future[First]) -> Then:
            return then(item, before.result())

        ended = [self._pool.submit(follow, i, f) for i, f in zip(items, begun, strict=True)]
        return [(a.result(), b.result()) for a, b in zip(begun, ended, strict=True)]

    def close(self) -> None:
        """Wait for all tasks, then end the threads."""
        self._pool.shutdown()


CALLER = Workers(1)
