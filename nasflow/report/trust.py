"""How far the results of a search can be trusted, in plain words and as data.

Every statement follows from the records and the configuration; `key` is its name for programs,
`caution` whether it weakens what the page says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasflow.records.intervals import Interval, wilson
from nasflow.records.story import Round, Story

Json = Mapping[str, Any]
CLEAR = 2.0  # standard errors


class Claim(NamedTuple):
    key: str
    caution: bool
    text: str


def claims(story: Story, others: Sequence[Story], facts: Json, config: Json | None) -> list[Claim]:
    """Of one search among the searches of its experiment; `facts` is data.json."""
    found = [
        *_finished(story),
        *_test(story),
        *_seeds(story, others),
        *_beside(story, others),
        *_chosen(story, config),
        *_leads(story),
        *_data(facts),
        *_machines(story),
    ]
    return sorted(found, key=lambda claim: not claim.caution)


def accuracy_interval(metrics: Json) -> Interval:
    """Test accuracy with what the choice of the test images makes it uncertain by."""
    count = metrics["test_images"]
    return wilson(round(metrics["test_accuracy"] * count), count)


def _finished(story: Story) -> Iterator[Claim]:
    if story.metrics is None:
        what = "the final training" if story.summary else "the search"
        yield Claim("unfinished", True, f"Not finished: {what} is not over, or has not been run.")
    elif story.predictions is None:
        yield Claim(
            "no_predictions",
            False,
            "These results are older than the table of predictions: without it there are no "
            "confusions and no pictures. Running evaluate again writes it.",
        )


def _test(story: Story) -> Iterator[Claim]:
    if story.metrics is None:
        return
    count = story.metrics["test_images"]
    wrong = round(story.metrics["test_error"] * count)
    found = accuracy_interval(story.metrics)
    yield Claim(
        "test_interval",
        False,
        f"{wrong:,} of {count:,} test images are wrong. As a sample of all images of their "
        f"kind that is an accuracy of {found.low:.2%} to {found.high:.2%} (95 %); the luck of the "
        "search and of the training is not in this interval.",
    )
    yield Claim("test_once", False, "The test images were looked at once, after all choices.")


def _seeds(story: Story, others: Sequence[Story]) -> Iterator[Claim]:
    mine = [s for s in others if s.algorithm == story.algorithm and s.metrics]
    errors = [s.metrics["test_error"] for s in mine if s.metrics]
    if len(errors) > 1:
        spread = f"{np.mean(errors):.2%} ± {np.std(errors, ddof=1):.2%}"
        yield Claim(
            "seeds",
            len(errors) < 5,
            f"{len(errors)} seeds of {story.algorithm}: test error {spread} (mean ± standard "
            f"deviation), from {min(errors):.2%} to {max(errors):.2%}.",
        )
    else:
        yield Claim(
            "single_seed",
            True,
            "One seed. Another one finds another network, with another accuracy: how far apart "
            "they are cannot be told from one run (seeds: [0, 1, 2] in the configuration tells).",
        )


def _beside(story: Story, others: Sequence[Story]) -> Iterator[Claim]:
    plain = {s.algorithm for s in others if s.metrics}
    if not plain & {"none", "random"} - {story.algorithm}:
        yield Claim(
            "no_baseline",
            True,
            "Nothing to compare with: neither the base network with the whole budget (algorithm "
            "none) nor a random search has been run here, so the page does not show that searching "
            "was worth it. The target compare runs them.",
        )


def _chosen(story: Story, config: Json | None) -> Iterator[Claim]:
    if config is not None and config["final"]["use_validation"]:
        yield Claim(
            "trained_on_validation",
            True,
            "The final training saw the validation images too: its validation accuracy is one of "
            "training.",
        )
    elif story.rounds:
        yield Claim(
            "chosen_by_validation",
            False,
            "The validation images chose the path, so validation accuracies are a little too good.",
        )


def _leads(story: Story) -> Iterator[Claim]:
    """Winners whose lead over their parent is within what the noise of the losses makes."""
    unclear = []
    for found in story.rounds:
        lead = _lead(found) if found.moved else None
        if lead is not None and lead < CLEAR:
            unclear.append(f"round {found.number} ({lead:.1f})")
    if unclear:
        yield Claim(
            "unclear_winners",
            True,
            f"Won by less than {CLEAR:.0f} standard errors of the loss: {', '.join(unclear)}. "
            "Chance may have had a say there.",
        )


def _lead(found: Round) -> float | None:
    """Of the winner over its parent at the last step, in standard errors."""
    rows = found.particles.slice(max(0, len(found.particles) - len(found.nodes))).to_pylist()
    by_node = {row["node"]: row for row in rows}
    parent, won = by_node.get(0), by_node.get(found.status["winner"])
    if parent is None or won is None or not won["standard_error"]:
        return None
    losses = parent["validation_loss"], won["validation_loss"]
    if None in losses:
        return None
    return float((losses[0] - losses[1]) / won["standard_error"])


def _data(facts: Json) -> Iterator[Claim]:
    shared = facts.get("duplicates", {}).get("test")
    if shared:
        yield Claim(
            "duplicates",
            True,
            f"{shared:,} test images have the same pixels as an image to train or choose by.",
        )
    elif shared == 0:
        yield Claim(
            "no_duplicates",
            False,
            "No test image has the same pixels as an image to train or choose by.",
        )


def _machines(story: Story) -> Iterator[Claim]:
    stages = [story.pretrain, *story.rounds, story.final]
    done = [stage.status for stage in stages if stage is not None]
    known = [status["machine"] for status in done if "machine" in status]
    if not done:
        return
    if not known:
        yield Claim(
            "machine_unknown",
            True,
            "The records do not say which machine and which releases made them (they are of an "
            "earlier nasflow), so the same bytes cannot be expected of a rerun.",
        )
    elif any(machine != known[0] for machine in known):
        yield Claim(
            "several_machines", True, "Stages ran on different machines or releases; see Rerun."
        )
    yield Claim(
        "seconds",
        False,
        "Seconds are wall clock: on a machine that did other work too they are longer.",
    )
