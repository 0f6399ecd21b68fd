"""The section `suite` of the configuration: data sets, methods and seeds at equal seconds.

A set is a data set with the sections that differ for it. Each set is one sitting: all its runs
take place on one machine, after one another. A sitting has two lengths, `long` and `short`, since
some methods are compared at more seconds than others.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from nasflow.config.compare import Changes, changes, merged, schema_of_changes
from nasflow.config.kinds import Algorithm
from nasflow.config.section import Section, different, key, refuse

SECTIONS = ("data", "augment", "base", "pretrain", "search", "baselines", "budget", "final")
FILES = (
    *("suite.csv", "versus.csv", "runs.csv", "errors.png", "suite.html", "suite.md"),
    "files.json",  # the sha256 of the files above
)
PATHS = {"data": ("root", "train", "test", "validation", "split"), "base": ("network",)}
NAME = r"^[a-z0-9][a-z0-9_]{0,47}$"  # of a set, which is part of paths and of experiment names
TAKEN = ("data", "comparison", "logs", "benchmarks", *Algorithm)  # folders of an experiment
Method = Annotated[Algorithm, Field(strict=False)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


def _sets(raw: Any) -> Any:
    """Check the names of the sets and of their sections; null takes a set out."""
    found = changes(raw, NAME, SECTIONS)
    for name in found:
        if name in TAKEN:
            raise refuse("a folder of an experiment has this name; choose another", found=name)
    return found


class Length(Section):
    """Runs that have equal seconds, each on one core."""

    methods: Annotated[tuple[Method, ...], AfterValidator(different)] = key(
        (), "algorithms that run; an empty list leaves these runs out", strict=False
    )
    seconds: float = key(
        360.0,
        "of each run: pretraining, search and final training together",
        above=0.0,
        high=999_999.0,
    )
    seeds: Annotated[tuple[Seed, ...], AfterValidator(different)] = key(
        (0, 1, 2), "one run of each method per seed", min_length=1, strict=False
    )


class Long(Length):
    """The runs of the methods that are compared at more seconds."""

    methods: Annotated[tuple[Method, ...], AfterValidator(different)] = key(
        (Algorithm.NASGD, Algorithm.NONE),
        "algorithms that run; an empty list leaves these runs out",
        strict=False,
    )


class Short(Length):
    """The runs of the other methods."""

    seconds: float = key(
        180.0,
        "of each run: pretraining, search and final training together",
        above=0.0,
        high=999_999.0,
    )
    seeds: Annotated[tuple[Seed, ...], AfterValidator(different)] = key(
        (0, 1), "one run of each method per seed", min_length=1, strict=False
    )


class Suite(Section):
    """The target `suite`: data sets, methods and seeds at equal seconds, and one page."""

    sets: Annotated[Changes, BeforeValidator(_sets)] = key(
        {},
        "name: sections that differ for this data set",
        json_schema_extra=schema_of_changes(SECTIONS),
    )
    search: float = key(
        0.3, "part of the seconds of a run that its search may take", above=0.0, high=0.95
    )
    long: Long = Long()
    short: Short = Short()

    @property
    def lengths(self) -> tuple[Length, ...]:
        """The lengths that have methods, the long one first."""
        return tuple(length for length in (self.long, self.short) if length.methods)

    def problems_of_methods(self, of: Algorithm) -> list[str]:
        """List what is wrong with the methods and seconds, one line per problem.

        Args:
            of: the algorithm that all others are compared with, `compare.of`.
        """
        if not self.lengths:
            return ["suite.long.methods: []; expected methods here or in suite.short.methods"]
        if not self.sets:
            return []
        problems = [
            f"suite.{name}.methods: {', '.join(length.methods)}; expected {of} among them, since "
            "compare.of says that all methods are compared with it"
            for name, length in (("long", self.long), ("short", self.short))
            if length.methods and of not in length.methods
        ]
        if len(self.lengths) == 2 and tag(self.long.seconds) == tag(self.short.seconds):
            problems.append(
                f"suite.short.seconds: {self.short.seconds:g}; expected other seconds than those "
                "of suite.long; put all methods into suite.long.methods instead"
            )
        return problems


def tag(seconds: float) -> str:
    """Return seconds as a part of names, such as `360` or `7_5`."""
    return f"{seconds:g}".replace(".", "_")


def experiment_name(name: str, length: Length) -> str:
    """Return the name of the experiment that has the runs of a set, such as `addnist_360`."""
    return f"{name}_{tag(length.seconds)}"


def laid_over(raw: Mapping[str, Any], suite: Suite, name: str, length: Length) -> dict[str, Any]:
    """Return the configuration of one set with one length, as plain data.

    The sections of the set lie over `raw`; over both lie the methods, the seeds and the seconds.

    Args:
        raw: the whole configuration, as plain data.
        suite: its section `suite`.
        name: the name of the set.
        length: one of `suite.lengths`.
    """
    forced = {
        "experiment": experiment_name(name, length),
        "algorithms": list(length.methods),
        "seeds": list(length.seeds),
        "threads": 1,
        "rounds_per_job": 1,
        "budget": {"seconds": suite.search * length.seconds},
        "final": {"epochs": None, "flops": None, "total_epochs": None}
        | {"total_seconds": length.seconds},
        "tracking": {"enabled": False},
    }
    result = merged(merged(raw, suite.sets[name]), forced)
    return result | {"suite": {}, "compare": {**result["compare"], "ablations": {}}}


def absolute(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return a configuration in which the paths of data and networks do not depend on the folder.

    Args:
        raw: the whole configuration, as plain data.
        folder: the folder that relative paths start from.
    """
    result = dict(raw)
    for section, keys in PATHS.items():
        named = {name: raw[section][name] for name in keys if raw[section][name] is not None}
        result[section] = raw[section] | {key: str(folder / path) for key, path in named.items()}
    return result
