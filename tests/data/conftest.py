"""The digits, read once."""

from __future__ import annotations

import pytest

from nasflow.config.data import Data
from nasflow.data.datasets import Splits, load_splits


@pytest.fixture(scope="session")
def digits() -> Splits:
    """The splits of the digits with the default settings."""
    return load_splits(Data())
