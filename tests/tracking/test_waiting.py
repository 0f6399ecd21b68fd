"""A call that works is waited for, and a call that waits is not."""

from __future__ import annotations

import time

import pytest

from nasflow.tracking import waiting


def test_a_call_that_works_is_waited_for_and_one_that_waits_is_not() -> None:
    def work() -> int:
        until = time.thread_time() + 0.6
        while time.thread_time() < until:
            sum(range(1000))
        return 7

    assert waiting.within(0.3, work) == 7
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        waiting.within(0.3, lambda: time.sleep(20))
    assert time.monotonic() - begin < 10
