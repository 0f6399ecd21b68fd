"""What can be refused before any work, because the prepared images are there.

The workflow asks before it runs anything, and the stage `prepare` asks when it has written the
images. So a batch size that the images do not allow costs neither a pretraining nor a search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nasflow.config.batch_sizes import fitted_experiment
from nasflow.config.class_weights import unknown
from nasflow.config.compare import algorithm_of
from nasflow.config.compare import names as ablations
from nasflow.config.data import of_images
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import FIXED
from nasflow.data.first_network import check_bounds
from nasflow.data.listing import listing
from nasflow.deployment.latency_table import LatencyTable, table_of
from nasflow.deployment.runtime import check_runtime
from nasflow.search.budget import rounds_wanted
from nasflow.storage.files import CorruptFile, read_json
from nasflow.storage.made import recorded
from nasflow.storage.shapes import LATENCY

WHOLE = "NASFLOW_EXPERIMENT"  # the workflow gives its stages the whole configuration there, as JSON


def problems(experiment: Experiment, folder: Path) -> list[str]:
    """List what a changed configuration asks for and the prepared images do not allow.

    Args:
        experiment: the configuration.
        folder: the folder of the prepared images. Where there are none yet, or where they will be
            prepared again, only unknown classes of own pictures are known.

    Returns:
        One line for each problem.
    """
    if lines := without_runtime(experiment, folder):
        return lines
    record = folder / "data.json"
    if not record.is_file():
        return _unknown_before(experiment)
    made = recorded(record)
    before, now = made["config"] if made else None, of_images(experiment.data)
    if isinstance(before, dict) and before != now:
        if listing(experiment.data):
            return _unknown_before(experiment)
        return list(_gone(before, now, record))
    try:
        facts = read_json(record)
        check_prepared(experiment, facts, _latencies(experiment, folder))
    except (CorruptFile, LookupError):  # a stage that needs the record reports it
        return []
    except ValueError as error:
        return str(error).split("\n")
    return []


def without_runtime(experiment: Experiment, folder: Path) -> list[str]:
    """List what latency cannot be measured without, where no table is given or there.

    The arguments are those of `problems`.
    """
    named = [*experiment.algorithms, *ablations(experiment.compare)]
    if experiment.search.constraints.latency_table or (folder.parent / "latency").is_dir():
        return []
    if not any(experiment.variant(name).search.timed for name in named):
        return []
    try:
        check_runtime("search.constraints.max_latency, search.latency_weight")
    except ValueError as error:
        return [f"{error}, or set search.constraints.latency_table"]
    return []


def _unknown_before(experiment: Experiment) -> list[str]:
    """List the unknown classes of class weights, where the images are not prepared yet."""
    if not isinstance(experiment.data.class_weights, Mapping):
        return []
    from nasflow.data import rehearsal  # 0.1 s of libraries, at each start of the workflow

    return rehearsal.unknown_classes(experiment.data)


def _latencies(experiment: Experiment, folder: Path) -> LatencyTable | None:
    """Return the table of latencies beside the images, where there is one that will be kept."""
    file = folder.parent / "latency/table.json"
    if not file.is_file():
        return None
    table = table_of(read_json(file, LATENCY))
    return table if table.precision == experiment.search.constraints.precision else None


def check_prepared(
    experiment: Experiment, facts: Mapping[str, Any], table: LatencyTable | None = None
) -> None:
    """Compare a configuration with the facts about the prepared images.

    Args:
        experiment: the configuration.
        facts: the content of data.json.
        table: the table of latencies, where there is one already.

    Raises:
        ValueError: if the images do not allow what it asks for, with one line for each problem.
    """
    train, validation = (sum(facts["counts"][part]) for part in ("train", "validation"))
    weights = experiment.data.class_weights
    if isinstance(weights, Mapping) and (lines := unknown(weights, facts["classes"])):
        raise ValueError("\n".join(lines))
    check_pools(experiment, min(facts["height"], facts["width"]))
    lowered(experiment, train, validation)
    image = facts["channels"], facts["height"], facts["width"]
    check_bounds(experiment, image, len(facts["classes"]), table)


def check_pools(experiment: Experiment, side: int) -> None:
    """Check that no base network halves the images more often than their size allows.

    Templates leave out pools for which an image is too small, and a checkpoint is what it is.

    Args:
        experiment: the configuration.
        side: the shorter side of the images in pixels.

    Raises:
        ValueError: if base.widths has too many entries; the message is one line.
    """
    most = side.bit_length()  # a pool stands between two convolutions, and halves the side
    for name in (*experiment.algorithms, *ablations(experiment.compare)):
        base = experiment.variant(name).base
        chosen = base.network or base.portfolio or algorithm_of(name) in FIXED
        if not chosen and len(base.widths) > most:
            raise ValueError(
                f"base.widths: {len(base.widths)} convolutions with {len(base.widths) - 1} pools;"
                f" expected at most {most} for images of {side} pixels per side; remove some, or"
                " set a larger data.size"
            )


def lowered(experiment: Experiment, train: int, validation: int) -> list[str]:
    """Check the batch sizes of all algorithms and ablations.

    Args:
        experiment: the configuration.
        train: the number of training images.
        validation: the number of validation images.

    Returns:
        One line for each batch size that a stage will lower to the number of images.

    Raises:
        ValueError: if a batch size is not allowed, with one line for each.
    """
    told: dict[str, None] = {}
    wrong: dict[str, None] = {}
    for name in (*experiment.algorithms, *ablations(experiment.compare)):
        own = experiment.variant(name)
        if not rounds_wanted(name, own.budget):
            own = own.model_copy(
                update={"search": type(own.search)(batch_size=2, validation_batch_size=1)}
            )
        try:
            told |= dict.fromkeys(fitted_experiment(own, train, validation)[1])
        except ValueError as error:
            wrong |= dict.fromkeys(str(error).split("\n"))
    if wrong:
        raise ValueError("\n".join(wrong))
    return list(told)


def _gone(before: Mapping[str, object], now: Mapping[str, object], record: Path) -> Iterator[str]:
    """Yield a line for each changed key, where the pictures cannot be prepared again."""
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            yield (
                f"data.{key}: {now.get(key)}; expected {before.get(key)}, with which {record} was "
                "made, since the pictures are no longer there; put back this value or the pictures"
            )
