"""`nasflow track` loads no torch, and says what it did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mirrored import PLACE, STARTED, uri, write_round, write_training

from nasflow.__main__ import main
from nasflow.storage.files import read_json


def test_mirroring_a_round_loads_no_torch(results: Path) -> None:
    folder = write_round(results / "digits/nasgd/seed_0", 1, steps=9)
    code = (
        "import sys; from nasflow.__main__ import main; main(sys.argv[1:]);"
        "print('torch' in sys.modules, 'mlflow' in sys.modules)"
    )
    options = {"kind": "round", "source": folder, "round": 1, "uri": uri(results), **PLACE}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-c", code, "track", *words, "--out", str(results / "o.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
    assert read_json(results / "o.json")["status"] == "logged"


def test_it_says_what_it_did(
    results: Path, no_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write_training(results / "digits/nasgd/seed_0/pretrain", "", STARTED, 0.9)
    for said in ("1 logged, 0 unchanged, 0 pending", "0 logged, 1 unchanged, 0 pending"):
        assert main(["track", "--all", str(results), "--uri", uri(results)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"nasflow: {said}, at {uri(results)}"
    (results / "mlflow.db").write_bytes(b"hello")
    assert main(["track", "--all", str(results), "--uri", uri(results)]) == 1
    lines = capsys.readouterr()
    assert lines.out.startswith("pending") and "file is not a database" in lines.out
    assert "0 logged, 0 unchanged, 1 pending" in lines.out
    assert lines.err.count("\n") == 1


@pytest.mark.parametrize(
    ("folder", "uri", "said"),
    [
        ("none", "sqlite:///m.db", "--all: none; no such folder"),
        ("file", "sqlite:///m.db", "--all: file; no such folder"),
        (".", "sqlite:///m.db", "--all: .; no finished stage there"),
        (".", "postgresql://x/y", "tracking.uri: postgresql:...; expected sqlite:///FILE"),
    ],
)
def test_what_cannot_be_copied_is_refused(
    folder: str,
    uri: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert main(["track", "--all", folder, "--uri", uri]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
