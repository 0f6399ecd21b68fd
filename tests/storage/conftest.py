"""Stages of seconds, their undisturbed results, and a way to stop them after a step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import small
from small import STAGES, results

from nasflow.storage import attempt as attempts
from nasflow.storage.attempt import Attempt
from nasflow.training.snapshot import Snapshot


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data and a network that was pretrained on them; tests write beside them."""
    return small.prepare(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="session")
def whole(folder: Path) -> dict[str, dict[str, bytes]]:
    """The results of every stage without an interruption."""
    for name, run in STAGES.items():
        run(folder, folder / "whole" / name)
    return {name: results(folder / "whole" / name) for name in STAGES}


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Stop attempts after some steps with a signal to this process.

    The state is kept every `every` seconds: `0` means after every step.
    """
    real = Attempt.keep

    def at(*steps: int, every: str = "60") -> None:
        def keep(self: Attempt, step: int, make: Callable[[], Snapshot]) -> None:
            if step in steps:
                os.kill(os.getpid(), signal.SIGTERM)
            real(self, step, make)

        monkeypatch.setenv(attempts.SECONDS, every)
        monkeypatch.setattr(Attempt, "keep", keep)

    return at
