"""The lists `In the package` of docs/extend_*.md are complete: a copy changed so works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

USE = """
import json, pathlib
import numpy as np
from nasflow.config.schema import schema
from nasflow.config.search import MORPHISMS
import nasflow
from nasflow.config.kinds import Algorithm
from nasflow.search.recipe import round_function
from nasflow.stages import preparation
here = pathlib.Path.cwd()
assert pathlib.Path(nasflow.__file__).is_relative_to(here)
preparation.prepare(config=json.dumps({"source": "shapes"}), out=here / "data")
only = dict.fromkeys(MORPHISMS, 0.0) | {"widen_half": 1.0}
network = nasflow.initialise(nasflow.chain((4, 8), 3, (3, 16, 16), 3), np.random.default_rng(0))
made = nasflow.draw_children(network, 2, morphisms=only)
print([child.morphisms for child in made], round_function(Algorithm("greedy")).__name__)
"""


def part(example: str, name: str) -> str:
    """What a page shows of an example."""
    text = (ROOT / f"examples/extend/{example}.py").read_text()
    return text.partition(f"# [{name}]\n")[2].partition(f"# [end of {name}]")[0]


def edit(path: Path, old: str, new: str) -> None:
    """Put `new` before the first `old`."""
    text = path.read_text()
    assert old in text, f"{path.name}: no {old!r}; docs/extend_*.md are out of date"
    path.write_text(text.replace(old, new + old, 1))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    # The compiled kernels of numba come along, as compiling them takes half a minute.
    skipped = shutil.ignore_patterns("*.pyc*", "*.tmp.*")
    for folder in ("nasflow", "config", "workflow", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=skipped)
    return tmp_path


def add_morphism(copy: Path) -> None:
    functions = part("morphism", "morphism").partition("nasflow.MORPHISMS")[0]
    module = copy / "nasflow/network/morphisms.py"
    edit(
        module,
        "\n\nMORPHISMS = {",
        "\n\nimport nasflow\nfrom nasflow.network.channels import resize\n" + functions,
    )
    line = '        Morphism("widen_half", True, sites, apply),\n'
    edit(module, '        Morphism("add_pool"', line)
    names = copy / "nasflow/config/search.py"
    edit(names, '    "add_pool": 0.25', '    "widen_half": 1.0,\n')
    for key in ("    add_pool: 1.0\n", "    add_pool: 0.25\n"):
        edit(copy / "config/config.yaml", key, "    widen_half: 1.0\n")


def add_algorithm(copy: Path) -> None:
    text = (ROOT / "examples/extend/algorithm.py").read_text().partition("# [end of round]")[0]
    (copy / "nasflow/search/greedy.py").write_text(text)
    kinds = copy / "nasflow/config/kinds.py"
    edit(kinds, '    NASH = "nash"', '    GREEDY = "greedy"\n')
    edit(kinds, "Algorithm.NASH, Algorithm.NASGRAPH", "Algorithm.GREEDY, ")
    table = copy / "nasflow/search/recipe.py"
    edit(
        table, "\nfrom nasflow.search.particle_round", "\nfrom nasflow.search.greedy import greedy"
    )
    edit(table, "    Algorithm.NASH: ", "    Algorithm.GREEDY: greedy,\n")


def add_data_set(copy: Path) -> None:
    text = (ROOT / "examples/extend/data_set.py").read_text()
    drawing = "from PIL import Image" + text.partition("from PIL import Image")[2]
    sources = copy / "nasflow/data/image_sources.py"
    own = drawing.partition("def run()")[0].replace(
        "from nasflow.data.image_sources import Source, labelled\n", ""
    )
    sources.write_text(sources.read_text() + own)
    edit(copy / "nasflow/config/kinds.py", '    FOLDER = "folder"', '    SHAPES = "shapes"\n')
    data_sets = copy / "nasflow/data/datasets.py"
    new = '    if data.source == "shapes":\n        return image_sources.source()\n'
    edit(data_sets, '    if data.source == "digits":', new)


def test_a_copy_changed_as_the_pages_say_knows_the_new_names(copy: Path) -> None:
    add_morphism(copy)
    add_algorithm(copy)
    add_data_set(copy)
    schema = run(copy, "tests/config_schema.py")
    (copy / "workflow/schemas/config.schema.yaml").write_text(schema)
    mine = copy / "mine.yaml"
    mine.write_text("algorithms: [greedy]\nsearch: {morphisms: {widen_half: 2.0}}\n")
    run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/config/test_experiment.py")
    run(copy, "-m", "nasflow", "check", str(mine))
    assert run(copy, "-c", USE).splitlines()[-1] == "[('widen_half',), ('widen_half',)] greedy"


def run(copy: Path, *arguments: str) -> str:
    environment = {"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
