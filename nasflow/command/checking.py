"""`nasflow check FILE ...`: what is wrong with a configuration and with its pictures.

It looks as closely as the stage `prepare` does, except that it decodes no picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nasflow.config import files as config_file
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Source
from nasflow.config.reading import ConfigError
from nasflow.data.first_network import check_bounds
from nasflow.data.listing import listing
from nasflow.data.prepared import check_pools, lowered, problems, without_runtime
from nasflow.data.rehearsal import check_sizes, rehearse
from nasflow.planning.survey import KNOWN, counted
from nasflow.printable import printable

OWN = (Source.FOLDER, Source.PARQUET)


def check(*, files: Sequence[Path]) -> None:
    """Check files as Snakemake would read them with `--configfile FILE ...`, and the pictures.

    Args:
        files: YAML or JSON files; later ones override earlier ones, and all override the defaults.

    Raises:
        ConfigError: if there is a problem; its text has one line for each of them.
    """
    found = config_file.read(files)
    try:
        lines = _of_pictures(found)
    except ValueError as error:
        names = ", ".join(printable(str(file)) for file in files)
        problem = str(error).split("\n")
        raise ConfigError("\n".join(f"{names}: {line}" for line in problem)) from error
    for line in lines:
        print(printable(line))
    config_file.accept(files, found)


def _of_pictures(experiment: Experiment) -> list[str]:
    """Look at the pictures, and return one line for each batch size that will be lowered.

    Pictures may be deleted once they are prepared. Then the prepared images are looked at.
    """
    data, folder = experiment.data, Path("results") / experiment.experiment / "data"
    if lines := without_runtime(experiment, folder):
        raise ValueError("\n".join(lines))
    if experiment.suite.sets:
        return []  # the sets have sections `data` of their own
    if data.source not in OWN:
        counts, size = counted(data), KNOWN[data.source][2]
        classes = KNOWN[data.source][3]
    elif (folder / "data.json").is_file() and listing(data) is None:
        if wrong := problems(experiment, folder):
            raise ValueError("\n".join(wrong))
        return []
    else:
        rehearsal = rehearse(data)
        if data.size is None:
            check_sizes(rehearsal.headers)
        counts, classes = rehearsal.counts, len(rehearsal.classes)
        size = (*rehearsal.headers[0][1:3], max(one.channels for one in rehearsal.headers))
    height, width = (data.size, data.size) if data.size else size[:2]
    check_pools(experiment, min(height, width))
    check_bounds(experiment, (size[2], height, width), classes)
    return lowered(experiment, counts["train"], counts["validation"])
