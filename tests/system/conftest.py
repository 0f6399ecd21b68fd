"""One small search, run to its end by Snakemake, copies of it, and a folder to run commands in."""

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


@pytest.fixture
def folder(folder, monkeypatch):
    """The copy of the prepared folder, in which commands run."""
    monkeypatch.chdir(folder)
    return folder
