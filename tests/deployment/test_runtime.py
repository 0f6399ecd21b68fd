"""A package that is missing is named before any work, with the command that installs it."""

from __future__ import annotations

import pytest

from nasflow.deployment import runtime
from nasflow.deployment.runtime import check_runtime, missing


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "RUNTIME", ("json", "not_there_at_all"))
    assert missing() == ["not_there_at_all"]
    with pytest.raises(ValueError, match=r"^max_latency: not_there_at_all not installed; pip inst"):
        check_runtime("max_latency")
    monkeypatch.setattr(runtime, "RUNTIME", ("json",))
    check_runtime("max_latency")
