"""One small search, run to its end by Snakemake, and copies of it."""

from __future__ import annotations

import shutil

import pytest
from pipeline import CONFIG, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with a finished search of two rounds, and what Snakemake said."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "config.yaml").write_text(CONFIG)
    return folder, snakemake(folder)


@pytest.fixture
def search(finished, tmp_path):
    """A copy of the finished search, with its times."""
    folder = tmp_path / "search"
    shutil.copytree(finished[0], folder)
    return folder
