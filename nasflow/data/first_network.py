"""The network that each search begins with, compared with the bounds of a board before any work."""

from __future__ import annotations

from pathlib import Path

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import TEMPLATES, Image, chain
from nasflow.config.compare import algorithm_of
from nasflow.config.compare import names as ablations
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Algorithm, Head
from nasflow.deployment.latency_table import LatencyTable
from nasflow.search.bounds import affordable, prunes, refuse
from nasflow.search.budget import rounds_wanted
from nasflow.storage.files import CorruptFile
from nasflow.storage.manifest import read_architecture


def check_bounds(
    experiment: Experiment, image: Image, classes: int, table: LatencyTable | None = None
) -> None:
    """Check that every search begins with a network that keeps the bounds of the board.

    Fixed networks, and others that nobody searches for, are not looked at: the summary tells what
    they take.

    Args:
        experiment: the configuration.
        image: (channels, height, width) of the images.
        classes: number of classes.
        table: the table of latencies; without one, `max_latency` is not looked at.

    Raises:
        ValueError: if a network to begin with breaks a bound, with one line for each bound, or if
            the bounds leave fewer than two networks for a race.
    """
    wrong: dict[str, None] = {}
    for name in (*experiment.algorithms, *ablations(experiment.compare)):
        own = experiment.variant(name)
        constraints = own.search.constraints
        bounds = constraints.max_flash, constraints.max_ram, constraints.max_latency
        bounded = any(bound is not None for bound in bounds)
        if not bounded or prunes(own.search.drawn) or not rounds_wanted(name, own.budget):
            continue
        try:
            g, called = _first(own, image, classes)
            refuse(g, own.search, called, table)
        except CorruptFile:  # the stage that needs the checkpoint reports it
            continue
        except ValueError as error:
            wrong |= dict.fromkeys(str(error).split("\n"))
            continue
        given = own.base.portfolio
        left = affordable(given, g, own.search, table)
        if algorithm_of(name) == Algorithm.RACE and len(left) < 2:
            wrong[
                f"base.portfolio: {', '.join(given)}; race expects two networks or more that keep "
                "the bounds in search.constraints"
            ] = None
    if wrong:
        raise ValueError("\n".join(wrong))


def _first(own: Experiment, image: Image, classes: int) -> tuple[Architecture, str]:
    """Return the architecture that a search begins with, and what a message calls it."""
    base = own.base
    if base.network is not None:
        return read_architecture(Path(base.network)), f"base.network ({base.network})"
    if base.portfolio:
        name = base.portfolio[0]
        return TEMPLATES[name](image, classes), f"{name}, the first network of base.portfolio,"
    head = "flat_head" if base.head == Head.FLATTEN else "head"
    g = chain(base.widths, base.kernel, image, classes, head)
    return g, f"the base network ({g.describe()})"
