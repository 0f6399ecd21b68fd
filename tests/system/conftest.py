"""One small search, run to its end by Snakemake, copies of it, and a folder to run commands in."""

from __future__ import annotations

import pickle
import shutil

import pytest
from filelock import FileLock
from pipeline import CONFIG, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A folder with a finished search of two rounds, and what Snakemake said.

    Its processes are new ones, as those of a user; what runs in copies of it may be warm. The
    processes of the tests share it: the first that needs it makes it, and the others wait."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    folder, said = shared / "finished", shared / "finished.pickle"
    with FileLock(f"{said}.lock"):
        if not said.exists():
            folder.mkdir()
            (folder / "config.yaml").write_text(CONFIG)
            said.write_bytes(pickle.dumps(snakemake(folder, fresh=True)))
    return folder, pickle.loads(said.read_bytes())


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
