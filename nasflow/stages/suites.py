"""The stages of a suite: the configuration of each set, the record of a sitting, and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from nasflow.config import suite as suite_config
from nasflow.config.experiment import Experiment
from nasflow.config.reading import parse
from nasflow.config.section import plain
from nasflow.storage.files import consistent, read_json, write, write_json

HEADER = """# Made from the configuration of a suite: edit that one. To run this file alone:
#   snakemake --directory {folder} --cores 2 --configfile {file}
#       -- final_model compare
"""


def suite_files(*, config: str, name: str, out: Path) -> None:
    """Write the configuration of each length of a set, as files that Snakemake reads.

    Relative paths of data start from the folder in which this command runs. The files hold absolute
    paths, because their Snakemake runs in the folder of the set.

    Args:
        config: the whole configuration as JSON.
        name: the name of the set.
        out: the folder of the set.
    """
    experiment = parse(Experiment, json.loads(config))
    for length in experiment.suite.lengths:
        whole = suite_config.absolute(plain(experiment.of_set(name, length)), Path.cwd())
        del whole["suite"]  # a set is no suite
        file = out / f"{suite_config.experiment_name(name, length)}.yaml"
        text = HEADER.format(folder=out, file=file) + yaml.safe_dump(whole, sort_keys=False)
        write(file, text.encode())


def sitting(*, config: str, name: str, out: Path) -> None:
    """Write the record of a set whose runs are finished.

    Args:
        config: the whole configuration as JSON.
        name: the name of the set.
        out: sitting.json to write, in the folder of the set.
    """
    from nasflow.comparison import sitting as sittings  # imports pandas

    experiment = parse(Experiment, json.loads(config))
    with consistent(out.parent):
        write_json(out, sittings.sitting(out.parent, experiment, name))


def suite(*, config: str, sittings: Sequence[Path], out: Path) -> None:
    """Write tables, a figure and the page of a suite.

    Args:
        config: the whole configuration as JSON.
        sittings: sitting.json of each set, in the order to show them.
        out: folder to write.
    """
    from nasflow.comparison import suite as suites  # imports pandas and matplotlib

    experiment = parse(Experiment, json.loads(config))
    with consistent(out):
        made = suites.suite([read_json(file, "sitting.json") for file in sittings], experiment)
    files = {name: write(out / name, content) for name, content in made.items()}
    write_json(out / "files.json", {"schema": 1, "files": files})
