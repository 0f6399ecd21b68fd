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


def test_seconds_in_the_queue_that_are_told_late_do_not_count_as_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux tells the time in the queue when a thread leaves the queue: here every 0.2 s."""
    monkeypatch.setattr(waiting, "_busy", lambda: time.monotonic() // 0.2 * 0.2)
    assert waiting.within(0.4, lambda: time.sleep(1.2) or 7) == 7
