"""Threads that compute side by side, each on one torch thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]  # map, or a pool's
Item = TypeVar("Item")
First = TypeVar("First")
Then = TypeVar("Then")


class Workers:
    """`count` threads, or with one the caller's own; `close` ends them."""

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
        """first(item), and then(item, what that gave), of every item.

        The threads take all firsts, in order, before a then: nine siblings whole would be five on
        one of two threads, a tenth of the step lost; their validations fill the gap."""
        if self._alone:
            return [(done, then(item, done)) for item in items for done in (first(item),)]
        begun = [self._pool.submit(first, item) for item in items]

        def follow(item: Item, before: Future[First]) -> Then:
            return then(item, before.result())

        ended = [self._pool.submit(follow, i, f) for i, f in zip(items, begun, strict=True)]
        return [(a.result(), b.result()) for a, b in zip(begun, ended, strict=True)]

    def close(self) -> None:
        self._pool.shutdown()


CALLER = Workers(1)
