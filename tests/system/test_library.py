"""`import nasflow`: the public names and how fast the import is."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from places import ROOT

import nasflow


def test_every_public_name_is_there_and_known_to_type_checkers() -> None:
    tree = ast.parse((ROOT / "nasflow/__init__.py").read_text())
    typed = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.module != "importlib"
    } - {None, "__version__"}
    assert typed == set(nasflow.__all__) <= set(dir(nasflow))
    assert len(nasflow.__all__) > 20
    assert all(getattr(nasflow, name) is not None for name in nasflow.__all__)
    parts = {path.stem for path in (ROOT / "nasflow").iterdir()}
    assert {"network", "version"} <= parts
    modules = {"flow", "schedule"}
    assert modules <= parts
    assert not parts & (typed - modules), "importing a module or a room would hide the name"
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = nasflow.no_such_name


def test_flow_and_schedule_are_modules_under_their_documented_names() -> None:
    code = (
        "import nasflow.flow, nasflow.schedule, nasflow.architecture.architecture, nasflow.network;"
        "from nasflow.flow import energy; from nasflow.schedule import sgdr;"
        "import nasflow.particles.flow as flow, nasflow.training.schedule as schedule;"
        "assert nasflow.flow is flow and nasflow.schedule is schedule;"
        "assert nasflow.graph is flow.graph"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_import_takes_no_time_and_no_torch() -> None:
    code = (
        "import sys, time; began = time.process_time(); import nasflow;"
        "print(time.process_time() - began, 'torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, *heavy = done.stdout.split()
    assert float(seconds) < 0.1 and heavy == ["False", "False"]


def test_a_notebook_shows_an_architecture_as_a_picture() -> None:
    picture = nasflow.chain((4, 8), 3, (1, 8, 8), 3)._repr_html_()
    assert picture.startswith("<svg") and picture.count("conv 3×3") >= 2
