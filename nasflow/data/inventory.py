"""What a data set holds, in the lines that `prepare` prints and a summary repeats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nasflow.printable import printable

EVEN = 1.5  # largest class over smallest, up to which classes count as even
KINDS = {1: "grey", 3: "RGB"}


def balance(counts: Sequence[int]) -> dict[str, Any]:
    """Of the train images a class: the largest, the smallest, their ratio, and the share of the
    largest, which is the accuracy of always saying it."""
    largest, smallest = max(counts), min(counts)
    return {
        "largest": largest,
        "smallest": smallest,
        "ratio": largest / smallest,
        "largest_share": largest / sum(counts),
    }


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """How many images of what, how even the classes are, and what to know of them; from the facts
    of data.json."""
    counts, classes = facts["counts"], [printable(name) for name in facts["classes"]]
    train, validation, test = (sum(counts[name]) for name in ("train", "validation", "test"))
    kind = KINDS.get(facts["channels"], f"{facts['channels']} channels")
    yield (
        f"{train:,} train, {validation:,} validation, {test:,} test images of "
        f"{facts['width']} x {facts['height']}, {kind}; {len(classes)} classes"
    )
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
