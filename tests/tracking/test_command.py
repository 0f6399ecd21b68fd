"""`nasflow track` loads no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mirrored import PLACE, uri, write_round

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
