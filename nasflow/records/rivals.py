"""What searching was worth: each search beside the networks that nobody searched for.

A rival is another search of the same experiment that needs no search, or a blind one: a fixed
network such as chain7, the base network with the whole budget (`none`), or random moves. Test
accuracies are compared with an interval, because a few test images show no small difference: of
359 digits one image is 0.28 points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nasflow.config.compare import algorithm_of
from nasflow.config.kinds import FIXED, Algorithm
from nasflow.records.intervals import Interval, other_images, same_images, student_reach
from nasflow.storage.files import read_json

if TYPE_CHECKING:
    import pyarrow as pa

Json = Mapping[str, Any]
PLAIN = {
    Algorithm.NONE: "the base network with the whole time",
    Algorithm.RANDOM: "a blind search",
    **dict.fromkeys(FIXED, "a fixed network"),
}
ALIKE = 1.1  # times up to this ratio count as equal
LEVEL = 0.95


class Worth(StrEnum):
    """What a comparison shows about a search."""

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"  # no difference that the test images, or the seeds, could show


class Ended(NamedTuple):
    """A finished search, as far as a comparison needs it.

    Attributes:
        algorithm: the name of its algorithm or ablation.
        seed: its seed.
        right: how many test images its network classifies correctly.
        images: how many test images there are.
        seconds: of pretraining, search and final training.
        correct: for each test image whether it is classified correctly; None where it is unknown.
    """

    algorithm: str
    seed: int
    right: int
    images: int
    seconds: float
    correct: np.ndarray | None = None


class Rival(NamedTuple):
    """A search beside a rival.

    Attributes:
        algorithm: the algorithm that searches.
        rival: the algorithm that does not, or blindly.
        seeds: the seeds that both have finished.
        difference: the test accuracy of the search minus that of the rival, with its interval of
            95 %: over the choice of the test images for one seed, over seeds for several.
        worth: what this shows.
        seconds: the mean seconds of the search and of the rival.
        text: all of this in words, one line.
    """

    algorithm: str
    rival: str
    seeds: tuple[int, ...]
    difference: Interval
    worth: Worth
    seconds: tuple[float, float]
    text: str

    def entry(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        difference = self.difference._asdict()
        if not np.isfinite(self.difference.low):
            difference |= {"low": None, "high": None}
        return self._asdict() | {"worth": str(self.worth), "difference": difference}


def rivals(searches: Sequence[Path]) -> list[Rival]:
    """Compare the searches of an experiment that have ended.

    Args:
        searches: folders results/{experiment}/{algorithm}/seed_{seed}.

    Raises:
        CorruptFile: if metrics.json or predictions.parquet of a search is damaged.
    """
    done = [path for path in searches if (path / "final/metrics.json").exists()]
    return compared([_ended(path) for path in done]) if len(done) > 1 else []


def compared(searches: Sequence[Ended]) -> list[Rival]:
    """Compare each algorithm that searches with each one that does not, over their common seeds.

    Args:
        searches: the finished searches of one experiment.

    Returns:
        The comparisons, in the order of the searches.
    """
    by_name: dict[str, dict[int, Ended]] = {}
    for one in searches:
        by_name.setdefault(one.algorithm, {})[one.seed] = one
    plain = [name for name in by_name if algorithm_of(name) in PLAIN]
    return [
        _compared([by_name[name][seed] for seed in seeds], [by_name[other][s] for s in seeds])
        for name in by_name
        if name not in plain
        for other in plain
        if (seeds := sorted(by_name[name].keys() & by_name[other].keys()))
    ]


def _ended(search: Path) -> Ended:
    from nasflow.records.curves import table

    metrics, predictions = read_json(search / "final/metrics.json"), None
    if "predictions.parquet" in metrics.get("files", {}):
        predictions = table(search / "final", metrics, "predictions.parquet")
    seed = int(search.name.removeprefix("seed_"))
    return ended(search.parent.name, seed, metrics, predictions)


def ended(algorithm: str, seed: int, metrics: Json, predictions: pa.Table | None) -> Ended:
    """Take what a comparison needs from the records of a finished search.

    Args:
        algorithm: the name of its algorithm or ablation.
        seed: its seed.
        metrics: final/metrics.json.
        predictions: final/predictions.parquet; None where an earlier nasflow made the results.
    """
    seconds, correct = metrics["seconds"], None
    if predictions is not None:
        correct = predictions["label"].to_numpy() == predictions["predicted"].to_numpy()
    return Ended(
        algorithm,
        seed,
        round(metrics["test_accuracy"] * metrics["test_images"]),
        metrics["test_images"],
        sum(seconds[stage] for stage in ("pretrain", "search", "final")),
        correct,
    )


def _compared(own: Sequence[Ended], others: Sequence[Ended]) -> Rival:
    pairs = list(zip(own, others, strict=True))
    difference = _one_seed(*pairs[0]) if len(pairs) == 1 else _seeds(pairs)
    worth = Worth.EQUAL
    if difference.low > 0.0 or difference.high < 0.0:
        worth = Worth.BETTER if difference.low > 0.0 else Worth.WORSE
    seconds = tuple(float(np.mean([one.seconds for one in part])) for part in (own, others))
    name, other = own[0].algorithm, others[0].algorithm
    text = " ".join(
        [
            f"{name} against {other} ({PLAIN[algorithm_of(other)]}):",
            f"{_accuracy(own)} and {_accuracy(others)} test accuracy,",
            f"{_points(difference, pairs)}: {_judgement(worth, name, pairs)}",
            _times(name, other, *seconds),
        ]
    )
    seeds = tuple(one.seed for one in own)
    return Rival(name, other, seeds, difference, worth, (seconds[0], seconds[1]), text)


def _one_seed(own: Ended, other: Ended) -> Interval:
    known = own.correct is not None and other.correct is not None
    if known and own.correct.shape == other.correct.shape:  # type: ignore[union-attr]
        only_own = int(np.count_nonzero(own.correct & ~other.correct))  # type: ignore[operator]
        only_other = int(np.count_nonzero(other.correct & ~own.correct))  # type: ignore[operator]
        return same_images(only_own, only_other, own.images)
    return other_images(own.right, other.right, own.images)


def _seeds(pairs: Sequence[tuple[Ended, Ended]]) -> Interval:
    """Estimate the mean difference over seeds, with Student's interval."""
    a, b = (np.array([one.right / one.images for one in part]) for part in zip(*pairs, strict=True))
    mean, reach = float(np.mean(a - b)), student_reach(a, b, level=LEVEL)
    return Interval(mean, mean - reach, mean + reach)


def _accuracy(searches: Sequence[Ended]) -> str:
    return f"{np.mean([one.right / one.images for one in searches]):.2%}"


def _points(found: Interval, pairs: Sequence[tuple[Ended, Ended]]) -> str:
    points = [100.0 * value for value in found]
    own, other = pairs[0]
    images = abs(own.right - other.right)
    of = f"{len(pairs)} seeds" if len(pairs) > 1 else f"{images} image{'s' * (images != 1)}"
    return f"{points[0]:+.2f} points ({of}; 95 % interval {points[1]:+.2f} to {points[2]:+.2f})"


def _judgement(worth: Worth, name: str, pairs: Sequence[tuple[Ended, Ended]]) -> str:
    several = len(pairs) > 1
    if worth == Worth.EQUAL:
        count = f"{len(pairs)} seeds" if several else f"{pairs[0][0].images:,} images"
        return f"no difference that {count} could show."
    luck = "" if several else ", with this one seed; another seed may turn it round"
    better = f"{name} is better" if worth == Worth.BETTER else f"{name} is worse: it was not worth"
    return f"{better}{' its time' * (worth == Worth.WORSE)}{luck}."


def _times(name: str, other: str, own: float, rival: float) -> str:
    if max(own, rival) <= ALIKE * min(own, rival):
        return f"Both trained for about {own:.0f} s."
    return f"They did not train equally long: {name} for {own:.0f} s, {other} for {rival:.0f} s."
