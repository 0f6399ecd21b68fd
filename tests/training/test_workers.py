"""Workers give results in order and pass on what fails."""

from __future__ import annotations

import pytest

from nasflow.training.workers import Workers


@pytest.mark.parametrize("count", [1, 2, 5])
def test_workers_give_both_parts_in_order_and_pass_on_what_fails(count: int) -> None:
    workers, seen = Workers(count), []

    def first(item: int) -> int:
        seen.append(item)
        return item * 10

    pairs = workers.in_two(range(7), first, lambda item, found: (item, found, len(seen)))
    assert [(a, b[:2]) for a, b in pairs] == [(10 * i, (i, 10 * i)) for i in range(7)]
    if count == 2:
        assert all(begun >= 6 for _, (_, _, begun) in pairs)  # one may still be at its first
    with pytest.raises(ZeroDivisionError):
        workers.in_two([1, 0], lambda item: 1 // item, lambda item, _: item)
    workers.close()
