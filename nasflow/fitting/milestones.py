"""One line for each stage that ended, made from the records that the stages write.

A record that was there at the start tells of earlier work; one that is written later makes a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from nasflow.printable import printable
from nasflow.records.summaries import searches
from nasflow.storage.files import CorruptFile, read_json

STAGES = ("images", "start", "search", "training", "test")
IMAGES, START, SEARCH, TRAINING, TEST = range(1, len(STAGES) + 1)


class Milestone(NamedTuple):
    """A stage that ended.

    Attributes:
        stage: its number, from 1, as STAGES counts them.
        line: what it found, in words.
        accuracy: the fraction of validation images that its network names right, or None.
    """

    stage: int
    line: str
    accuracy: float | None = None


class Milestones:
    """Looks at the results of an experiment.

    Args:
        results: results/{experiment}.
        several: whether there are several searches, whose lines say which one they are about.

    Attributes:
        before: the stages that had ended when this was made.
        done: the numbers of all stages that have ended.
        best: the best accuracy on validation images before the final training, or None.
    """

    def __init__(self, results: Path, *, several: bool) -> None:
        self._results, self._several = results, several
        self._seen: dict[Path, Any] = {}
        self.best: float | None = None
        self.done: set[int] = set()
        self.before = list(self.new())

    def new(self) -> Iterator[Milestone]:
        """Yield the stages that ended since the last call."""
        for path, words in self._records():
            with suppress(OSError, CorruptFile, LookupError, TypeError, ValueError):
                record = read_json(path)
                if self._seen.get(path) == record:
                    continue
                self._seen[path] = record
                if found := words(record):
                    self._note(found)
                    yield found._replace(line=printable(self._of(path) + found.line))

    @property
    def names(self) -> str:
        """The names of the stages that have ended."""
        return ", ".join(STAGES[stage - 1] for stage in sorted(self.done))

    def _note(self, found: Milestone) -> None:
        self.done.add(found.stage)
        if found.stage < TRAINING and found.accuracy is not None:
            self.best = max(found.accuracy, self.best or 0.0)

    def _of(self, path: Path) -> str:
        """The search that a record belongs to, where there are several."""
        if not self._several or path.parent.name == "data":
            return ""
        seed = next(above for above in path.parents if above.name.startswith("seed_"))
        return f"{seed.parent.name}, seed {seed.name.removeprefix('seed_')}: "

    def _records(self) -> Iterator[tuple[Path, Callable[[Any], Milestone | None]]]:
        """Yield each record that may be there, in the order of the stages, and its reader."""
        yield self._results / "data/data.json", images
        for search in searches(self._results) if self._results.is_dir() else ():
            yield search / "pretrain/status.json", started
            number = 1
            while (path := search / f"search/round_{number}/status.json").is_file():
                yield path, ended
                number += 1
            yield search / "final/status.json", trained
            for path in sorted(search.glob("front/network_*/status.json")):
                yield (
                    path,
                    partial(trained, of=path.parent.name.replace("_", " ") + " of the front"),
                )
            yield search / "final/metrics.json", evaluated
            yield search / "front/front.json", compared


def images(record: Any) -> Milestone:
    """The line about prepared images."""
    train, validation, test = (sum(record["counts"][k]) for k in ("train", "validation", "test"))
    height, width = record["height"], record["width"]
    return Milestone(
        IMAGES,
        f"{train:,} images to train on, {validation:,} to choose by, {test:,} for the test;"
        f" {height} x {width} pixels, {len(record['classes'])} classes",
    )


def started(record: Any) -> Milestone | None:
    """The line about the pretrained network; None where nothing was trained."""
    if not record["steps"]:
        return None
    return Milestone(
        START,
        f"the base network is trained{_right(record)}",
        record["validation_accuracy"],
    )


def ended(record: Any) -> Milestone:
    """The line about a round, which may have chosen among the networks of the portfolio."""
    number, count = record["round"], record["children"]
    known = record["made"]["config"]["base"]["portfolio"] if number == 1 else []
    if known and record.get("portfolio", True):
        words = f"{record['morphism'] or known[0]} was chosen among {count + 1} networks"
    elif record["winner"]:
        words = f"{record['morphism']} made it better; now {record['parameters']:,} parameters"
    else:
        words = f"none of {count} changes made it better"
    return Milestone(
        SEARCH, f"round {number}: {words}{_right(record)}", record["validation_accuracy"]
    )


def trained(record: Any, of: str = "") -> Milestone:
    """The line about the final training; `of` names another network of the front."""
    seconds = round(record["seconds"])
    words = (
        f"{record['steps']:,} steps, {record['epochs']:.1f} passes over the images, in"
        f" {seconds // 60}:{seconds % 60:02}"
    )
    return Milestone(TRAINING, f"{of}: {words}" if of else words)


def evaluated(record: Any) -> Milestone:
    """The line about the test."""
    right, count = 1.0 - record["test_error"], record["test_images"]
    return Milestone(TEST, f"{right:.2%} of {count:,} test images are named right", right)


def compared(record: Any) -> Milestone:
    """The line about the front."""
    rows = record["networks"]
    least, most = (f"{row['parameters']:,}" for row in (rows[0], rows[-1]))
    return Milestone(
        TEST, f"{len(rows)} networks of {least} to {most} parameters are compared in front.csv"
    )


def _right(record: Any) -> str:
    accuracy = record["validation_accuracy"]
    return "" if accuracy is None else f"; {accuracy:.1%} of the validation images right"
