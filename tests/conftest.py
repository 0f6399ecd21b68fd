"""One torch thread, and fixtures that several rooms share.

A fixture of scope `session` is made once for each test process; tests only read it, or copy it.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
from pathlib import Path

import pytest
import rounds
import torch
import tree
from PIL import Image
from places import ROOT, TESTS

from nasflow.config.compare import FILES as COMPARISON
from nasflow.storage.files import write, write_json, write_page

# Files that take half a minute or more of a core, the longest first. The processes of the tests
# take the files in this order (--no-loadscope-reorder), so that no long one is the last, alone.
LONGEST = (
    *("system/test_slurm", "system/test_suite_workflow", "system/test_compare_workflow"),
    *("system/test_docs", "system/test_torture", "system/test_code", "training/test_ranks"),
    *("system/test_kept_work", "system/test_benchmarks", "system/test_workflow"),
    *("system/test_resume_workflow", "storage/test_interruption", "system/test_extending"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the others keep their order."""
    places = {TESTS / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


# Where the Slurm plugin and Slurm are installed, each start of Snakemake asks Slurm for its
# configuration. Without a cluster this may take 10 s; with an empty file the answer comes at once.
os.environ.setdefault("SLURM_CONF", os.devnull)
torch.set_num_threads(1)  # small operations on two threads are many times slower
# The first backward pass of a process decides whether autograd starts threads, after which no fork
# can compute gradients. It does where torch.export has run before, which makes torch count a GPU.
# Some tests fork, so that the first pass comes here.
torch.ones(1, requires_grad=True).sum().backward()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts programs in the background so, and the processes of the tests would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prepared data and a pretrained network."""
    return rounds.prepare(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the prepared folder, in which a test may write."""
    return Path(shutil.copytree(prepared, tmp_path / "work"))


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment of one search of two rounds, with a report and a comparison."""
    experiment = tree.finished(tmp_path_factory.mktemp("results") / "tiny")
    write_page(experiment / "report.html", "<html>of a search</html>")
    names = [name for name in COMPARISON if name != "files.json"]
    files = {name: write(experiment / "comparison" / name, b"[1]\n") for name in names}
    write_json(experiment / "comparison/files.json", {"schema": 1, "files": files})
    return experiment


@pytest.fixture
def copied(searched: Path, tmp_path: Path) -> Path:
    """A copy of the finished experiment, in which a test may write."""
    return Path(shutil.copytree(searched, tmp_path / "results"))


@pytest.fixture(scope="session")
def tiny(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with a search by particles and one without, before any report."""
    pages = shutil.ignore_patterns("report.html", "comparison")
    experiment = tmp_path_factory.mktemp("report") / "tiny"
    shutil.copytree(searched, experiment, ignore=pages)
    return tree.finished(experiment, algorithm="nash")


@pytest.fixture(scope="session")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search of two rounds that both grow the network, with a front of three."""
    search = tree.finished(tmp_path_factory.mktemp("front") / "tiny", 2, "most_flops")
    tree.add_front(search / "most_flops/seed_0")
    return search / "most_flops/seed_0"


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 pictures of four uneven classes, and one picture of a fifth class."""
    top = tmp_path_factory.mktemp("own") / "photos"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        importlib.import_module("own_data").write(top, kept=4)
    (top / "vögel, große & kleine").mkdir()
    Image.new("L", (30, 20), 200).save(top / "vögel, große & kleine" / "#1.png")
    return top
