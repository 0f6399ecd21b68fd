"""The landscape that the tests of this room share."""

from __future__ import annotations

import pytest
from landscapes import words

from nasflow.studies.table import Landscape


@pytest.fixture(scope="session")
def rugged() -> Landscape[str]:
    return words(0, noise=0.1, rugged=0.5)
