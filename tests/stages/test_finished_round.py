"""A job whose result waits moves it into place, and starts neither torch nor a rank."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import small

from nasflow.stages import rounds
from nasflow.storage.ahead import AHEAD
from nasflow.storage.made import KEEP

CODE = """
import sys
from nasflow.__main__ import main
code = main(sys.argv[1:])
print(code, [name for name in ("torch", "numba", "pyarrow", "numpy") if name in sys.modules])
"""


def test_a_result_that_waits_is_taken_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEEP, "1")
    folder = small.prepare(tmp_path)
    options = small.options(folder, folder / "round_1")
    rounds.search_round(**options, device="cpu", threads=1, rounds_per_job=2)
    options |= {"round": 2, "out": folder / "round_2", "parent": folder / "round_1/winner"}
    assert (folder / "round_2" / AHEAD).is_dir()
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-c", CODE, "search_round", *words, "--ranks", "2"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "0 []\n", done.stderr
    assert (folder / "round_2/status.json").is_file()
    assert not (folder / "round_2" / AHEAD).exists()
