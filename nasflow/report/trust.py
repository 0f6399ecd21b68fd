"""How far the results of a search can be trusted, in plain words and as data.

Each claim follows from the records and the configuration alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasflow.config.experiment import Experiment
from nasflow.data.inventory import UNEVEN
from nasflow.records.intervals import Interval, wilson
from nasflow.records.particle_table import compared_loss
from nasflow.records.story import Round, Story

Json = Mapping[str, Any]
CLEAR = 2.0  # standard errors by which a winner must lead
PLAIN = {
    "none": "none (the base network, trained with the whole budget)",
    "random": "random (each round moves to a random child)",
}


class Claim(NamedTuple):
    """One statement about the results.

    Attributes:
        key: its name, for programs.
        caution: True where it weakens the results.
        text: the statement in words.
    """

    key: str
    caution: bool
    text: str


def claims(
    story: Story, others: Sequence[Story], facts: Json, config: Experiment | None
) -> list[Claim]:
    """Collect the claims about one search, those that weaken its results first.

    Args:
        story: the search.
        others: all searches of the experiment, this one included.
        facts: data.json.
        config: the configuration of the search; None where it is unknown.
    """
    found = [
        *_finished(story),
        *_test(story),
        *_classes(story, facts),
        *_seeds(story, others),
        *_beside(story, others),
        *_chosen(story, config),
        *_leads(story),
        *_data(facts),
        *_machines(story),
    ]
    return sorted(found, key=lambda claim: not claim.caution)


def accuracy_interval(metrics: Json) -> Interval:
    """Return the test accuracy with its interval of 95 % over the random choice of test images.

    Args:
        metrics: final/metrics.json.
    """
    count = metrics["test_images"]
    return wilson(round(metrics["test_accuracy"] * count), count)


def _finished(story: Story) -> Iterator[Claim]:
    if story.metrics is None:
        what = "the final training" if story.summary else "the search"
        yield Claim("unfinished", True, f"Not finished: {what} has not ended, or has not been run.")
    elif story.predictions is None:
        yield Claim(
            "no_predictions",
            False,
            "These results are older than the table of predictions, so this page shows no "
            "mistakes and no pictures. Running evaluate again writes the table.",
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
        f"{wrong:,} of {count:,} test images are classified wrongly. If the test images are a "
        "random sample of all images of their kind, the accuracy on all such images lies between "
        f"{found.low:.2%} and {found.high:.2%} (95 % interval). The interval does not include the "
        "luck of the search and of the training.",
    )
    yield Claim("test_once", False, "The test images were used once, after all choices were made.")


def _classes(story: Story, facts: Json) -> Iterator[Claim]:
    """Say where accuracy and balanced accuracy differ in meaning, and what the search used."""
    if story.metrics is None:
        return
    ratio = facts.get("balance", {}).get("ratio", 1.0)
    if ratio > UNEVEN and "balanced_accuracy" in story.metrics:
        yield Claim(
            "uneven",
            True,
            f"The largest class has {ratio:.1f} times the images of the smallest one, so the "
            f"accuracy ({story.metrics['test_accuracy']:.2%}) says most about the large classes. "
            f"The balanced accuracy is {story.metrics['balanced_accuracy']:.2%}: the mean of the "
            "accuracies of all classes.",
        )
    if "class_weights" in story.metrics:
        yield Claim(
            "class_weights",
            False,
            "Class weights were used (data.class_weights): in the losses of training and "
            "validation, and in every validation accuracy, an image counts as much as its class "
            "does. Test accuracy and test loss count all images alike.",
        )


def _seeds(story: Story, others: Sequence[Story]) -> Iterator[Claim]:
    mine = [s for s in others if s.algorithm == story.algorithm and s.metrics]
    errors = [s.metrics["test_error"] for s in mine if s.metrics]
    if len(errors) > 1:
        spread = f"{np.mean(errors):.2%} ± {np.std(errors, ddof=1):.2%}"
        yield Claim(
            "seeds",
            len(errors) < 5,
            f"{len(errors)} searches by {story.algorithm} with different seeds (a seed determines "
            f"all random choices) have a test error of {spread} (mean ± standard deviation), from "
            f"{min(errors):.2%} to {max(errors):.2%}.",
        )
    else:
        yield Claim(
            "single_seed",
            True,
            f"Fewer than two seeds of {story.algorithm} have finished. A seed determines all "
            "random choices; another seed finds another network with another accuracy, and one "
            "search cannot show how much they differ. Put seeds: [0, 1, 2] into the configuration "
            "to see it.",
        )


def _beside(story: Story, others: Sequence[Story]) -> Iterator[Claim]:
    finished = {s.algorithm for s in others if s.metrics}
    wanted = PLAIN.keys() - {story.algorithm}
    if not finished & wanted:
        named = " or ".join(PLAIN[algorithm] for algorithm in sorted(wanted))
        yield Claim(
            "no_baseline",
            True,
            "There is nothing to compare with: this experiment has no finished search by the "
            f"algorithm {named}. So the page cannot show whether the search was worth its cost. "
            "The target compare runs such searches.",
        )


def _chosen(story: Story, config: Experiment | None) -> Iterator[Claim]:
    if config is not None and config.final.use_validation:
        yield Claim(
            "trained_on_validation",
            True,
            "The final training used the validation images too. Its validation accuracy is "
            "therefore measured on images that the network was trained with.",
        )
    elif story.rounds:
        yield Claim(
            "chosen_by_validation",
            False,
            "The search chose between networks by their results on the validation images. "
            "Validation accuracies are therefore a little too high.",
        )


def _leads(story: Story) -> Iterator[Claim]:
    """Name the winners that lead their parent by no more than the noise of the losses explains."""
    unclear = []
    for found in story.rounds:
        lead = _lead(found) if found.moved else None
        if lead is not None and lead < CLEAR:
            unclear.append(f"round {found.number} ({lead:.1f})")
    if unclear:
        yield Claim(
            "unclear_winners",
            True,
            "In some rounds the winner's validation loss (in a portfolio, the predicted one) was "
            f"below its parent's by less than {CLEAR:.0f} standard errors (in brackets: by how "
            f"many): {', '.join(unclear)}. A standard error is the uncertainty of that difference, "
            "so chance may have decided these rounds.",
        )


def _lead(found: Round) -> float | None:
    """The parent's loss minus the winner's at the last step, in standard errors."""
    rows = found.particles.slice(max(0, len(found.particles) - len(found.nodes))).to_pylist()
    by_node = {row["node"]: row for row in rows}
    parent, won = by_node.get(0), by_node.get(found.status["winner"])
    if parent is None or won is None or not won["standard_error"]:
        return None
    before, after = compared_loss(parent), compared_loss(won)
    if before is None or after is None:
        return None
    return (before - after) / float(won["standard_error"])


def _data(facts: Json) -> Iterator[Claim]:
    repeated = facts.get("duplicates", {}).get("test")
    if repeated:
        yield Claim(
            "duplicates",
            True,
            f"{repeated:,} test images have the same pixels as a training or validation image. The "
            "test accuracy may therefore be too high.",
        )
    elif repeated == 0:
        yield Claim(
            "no_duplicates",
            False,
            "No test image has the same pixels as a training or validation image.",
        )


def _machines(story: Story) -> Iterator[Claim]:
    stages = [story.pretrain, *story.rounds, *story.pruned, story.final]
    done = [stage.status for stage in stages if stage is not None]
    known = [status["machine"] for status in done if "machine" in status]
    if not done:
        return
    if not known:
        yield Claim(
            "machine_unknown",
            True,
            "The records do not say which machine and which software versions made them, because "
            "an earlier nasflow wrote them. A rerun may therefore not give exactly the same "
            "results.",
        )
    elif any(machine != known[0] for machine in known):
        yield Claim(
            "several_machines",
            True,
            "The stages ran on different machines or with different software versions. The "
            "section Rerun lists them.",
        )
    yield Claim(
        "seconds",
        False,
        "Times are measured as elapsed time: they are longer where the machine did other work "
        "at the same time.",
    )
