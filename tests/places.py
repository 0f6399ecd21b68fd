"""Where the repository, the tests and the stored results of earlier versions lie."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
GOLDEN = TESTS / "golden/schema_1"
