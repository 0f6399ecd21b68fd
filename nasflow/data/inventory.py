"""What a data set holds, in the lines that `prepare` prints and that summaries repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nasflow.printable import printable

EVEN = 1.5  # classes count as even when the largest is at most this many times the smallest
UNEVEN = 3.0  # the largest class over the smallest one above which accuracy alone misleads
KINDS = {1: "grey", 3: "RGB"}


def balance(counts: Sequence[int]) -> dict[str, Any]:
    """Describe how even the classes of the train images are.

    Args:
        counts: the number of train images of each class.

    Returns:
        `largest` and `smallest`, the sizes of those two classes; `ratio`, the first over the
        second; and `largest_share`, the fraction of all train images that are in the largest
        class. A network that always answers with that class has this accuracy on them.
    """
    largest, smallest = max(counts), min(counts)
    return {
        "largest": largest,
        "smallest": smallest,
        "ratio": largest / smallest,
        "largest_share": largest / sum(counts),
    }


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Describe a data set in a few lines.

    Args:
        facts: the content of data.json.

    Yields:
        A line about the number, size and kind of the images, a line about how even the classes
        are, and a line for each thing that a user should know: a class without validation or test
        images, images that occur in two splits, alpha channels that are dropped.
    """
    counts, classes = facts["counts"], [printable(name) for name in facts["classes"]]
    yield _sizes(facts, len(classes))
    yield _evenness(counts, classes)
    for split in ("validation", "test"):
        absent = [f"'{n}'" for n, count in zip(classes, counts[split], strict=True) if not count]
        if absent:
            yield f"no {split} image of {', '.join(absent[:5])}{' ...' if absent[5:] else ''}"
    for split, others in (("validation", "a train"), ("test", "a train or validation")):
        if facts["duplicates"][split]:
            yield f"{facts['duplicates'][split]:,} {split} images have the pixels of {others} image"
    alpha = sum(n for mode, n in facts.get("modes", {}).items() if mode[-1:] in "Aa" and mode)
    if alpha:
        yield f"{alpha:,} pictures have an alpha channel, which is dropped"


def _sizes(facts: Mapping[str, Any], classes: int) -> str:
    counts = facts["counts"]
    train, validation, test = (sum(counts[name]) for name in ("train", "validation", "test"))
    kind = KINDS.get(facts["channels"], f"{facts['channels']} channels")
    return (
        f"{train:,} train, {validation:,} validation, {test:,} test images of "
        f"{facts['width']} x {facts['height']}, {kind}; {classes} classes"
    )


def _evenness(counts: Mapping[str, Sequence[int]], classes: Sequence[str]) -> str:
    train, test = counts["train"], counts["test"]
    found = balance(train)
    if found["ratio"] <= EVEN:
        return f"classes are even: {found['smallest']:,} to {found['largest']:,} train images"
    most, least = (train.index(found[key]) for key in ("largest", "smallest"))
    return (
        f"classes are uneven: from {train[least]:,} ('{classes[least]}') to {train[most]:,} "
        f"('{classes[most]}') train images; always saying '{classes[most]}' is right for "
        f"{test[most] / sum(test):.1%} of the test images: judge by balanced accuracy"
    )
