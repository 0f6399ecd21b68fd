"""What a search brought, in words and numbers: the end of a search in one sentence.

The verdict follows from records that exist when a search has ended: status.json of the pretraining,
the lineage of rounds in search/summary.json, and status.json of the final training. What a search
is worth beside a network that nobody searched for is another question (module `rivals`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from nasflow.config.compare import algorithm_of
from nasflow.config.kinds import FIXED, Algorithm
from nasflow.records.intervals import other_images
from nasflow.search.ends import RoundEnd, SearchEnd

Json = Mapping[str, Any]
CLEAR = 2.0  # standard errors by which the winners must lead
STAYED = {  # why the centre stayed
    RoundEnd.MAX_STEPS: "no child led clearly within search.max_steps steps",
    RoundEnd.KEPT: "no child was better than its parent",
    RoundEnd.BUDGET: "the budget was used up before a child led clearly",
    RoundEnd.EXHAUSTED: "search.constraints allow no child",
    RoundEnd.DIVERGED: "all networks diverged; lower search.lambda_start",
}
OVER = {  # why no round followed
    SearchEnd.PATIENCE: "budget.patience ended the search",
    SearchEnd.CHILDREN: "no child was possible any more",
    SearchEnd.DIVERGED: "all networks diverged",
    SearchEnd.ROUNDS: "budget.rounds ended the search",
    SearchEnd.SECONDS: "budget.seconds left no time for another round",
}


class Outcome(StrEnum):
    """What a search brought."""

    BETTER = "better"  # the centre moved, and the networks it moved to are clearly better
    UNCLEAR = "unclear"  # the centre moved, and the gain is not clearly more than noise
    WORSE = "worse"  # the centre moved, and the validation loss rose
    PORTFOLIO = "portfolio"  # a network of the portfolio was chosen, and no round moved after that
    UNCHANGED = "unchanged"  # no round moved the centre
    NO_SEARCH = "no_search"  # no round was wanted
    FIXED = "fixed"  # a network that nobody searched for


class Verdict(NamedTuple):
    """The verdict about one search.

    Attributes:
        outcome: what the search brought.
        moved: rounds that moved the centre to a child; the choice in a portfolio is not counted.
        rounds: rounds in which it could have moved so.
        before: validation loss (nats) and accuracy of the network that the first of them began
            with; None without rounds.
        after: the same of the network that the last of them ended with.
        lead: nats by which the winners led their parents at equal training, added up; None where
            it was not recorded.
        lead_error: the standard error of `lead`; None where no noise was measured.
        saved: seconds that the final training saved at a plateau; 0 where it did not end early.
        text: the verdict in words, one sentence or two for each line.
    """

    outcome: Outcome
    moved: int
    rounds: int
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    lead: float | None
    lead_error: float | None
    saved: float
    text: tuple[str, ...]

    def entry(self) -> dict[str, Any]:
        """Return the verdict as plain data, for metrics.json."""
        return self._asdict() | {"outcome": str(self.outcome), "text": list(self.text)}


def verdict(summary: Json, base: Json, final: Json, images: int) -> Verdict:
    """Say what a search brought.

    Args:
        summary: search/summary.json.
        base: status.json of the pretraining.
        final: status.json of the final training.
        images: how many images the validation split holds.
    """
    lineage: Sequence[Json] = summary["lineage"]
    chosen = [row for row in lineage if row.get("portfolio")]
    rounds = [row for row in lineage if not row.get("portfolio")]
    moves = [row for row in rounds if row["morphism"]]
    lead, error = _lead(moves)
    first = chosen[-1] if chosen else base
    before, after = (_measured(first), _measured(rounds[-1])) if rounds else (None, None)
    outcome = _outcome(summary, chosen, moves, before, after, lead, error, images)
    text = [*_words(outcome, summary, chosen, rounds, moves)]
    if moves and before and after:
        text += _gain(outcome, lead, error, before, after, images)
    saved = float(final.get("saved_seconds", 0.0))
    if saved:
        text.append(_saved(final["plateau_epoch"], saved))
    return Verdict(
        outcome,
        len(moves),
        len(rounds),
        before,
        after,
        lead,
        error,
        saved,
        tuple(text),
    )


def _measured(status: Json) -> tuple[float, float]:
    return float(status["validation_loss"]), float(status["validation_accuracy"])


def _lead(moves: Sequence[Json]) -> tuple[float | None, float | None]:
    """Add up the leads of the winners; their errors are independent, since each round is."""
    leads = [row.get("lead") for row in moves]
    if not moves or None in leads:
        return None, None
    errors = [row.get("lead_error") for row in moves]
    known = None not in errors
    return math.fsum(leads), math.hypot(*errors) if known else None  # type: ignore[arg-type]


def _outcome(
    summary: Json,
    chosen: Sequence[Json],
    moves: Sequence[Json],
    before: tuple[float, float] | None,
    after: tuple[float, float] | None,
    lead: float | None,
    error: float | None,
    images: int,
) -> Outcome:
    if not summary["lineage"]:
        fixed = algorithm_of(summary["algorithm"]) in FIXED
        return Outcome.FIXED if fixed else Outcome.NO_SEARCH
    if not moves or before is None or after is None:
        return Outcome.PORTFOLIO if chosen else Outcome.UNCHANGED
    if after[0] > before[0]:
        return Outcome.WORSE
    if lead is not None and error is not None:
        return Outcome.BETTER if lead > CLEAR * error else Outcome.UNCLEAR
    right_after, right_before = (round(found[1] * images) for found in (after, before))
    found = other_images(right_after, right_before, images)
    return Outcome.BETTER if found.low > 0.0 else Outcome.UNCLEAR


def _words(
    outcome: Outcome,
    summary: Json,
    chosen: Sequence[Json],
    rounds: Sequence[Json],
    moves: Sequence[Json],
) -> list[str]:
    name = summary["algorithm"]
    if outcome == Outcome.FIXED:
        return [f"Nothing was searched: {name} is a fixed network."]
    if outcome == Outcome.NO_SEARCH:
        return ["Nothing was searched: the base network had the whole time."]
    parts = []
    if chosen:
        picked = chosen[-1]["morphism"] or "the first network"
        parts.append(f"The search chose {picked} from base.portfolio.")
    if moves:
        grown = ", ".join(row["morphism"].replace("+", " + ") for row in moves)
        parts.append(
            f"The search moved the centre in {len(moves)} of {_rounds(len(rounds))}: {grown}."
        )
    elif rounds:
        left = summary.get("seconds_left", 0.0)
        changed = "grew nothing after that" if chosen else "changed nothing"
        parts.append(
            f"Searching {changed}: none of {_rounds(len(rounds))} moved the centre "
            f"({_reasons(rounds)})."
        )
        if summary["reason"] == SearchEnd.PATIENCE and left:
            parts.append(f"It ended with {left:.0f} s of budget.seconds left (budget.patience).")
    else:
        over = SearchEnd(summary["reason"])
        why = OVER.get(over, f"budget.{over} was used up")
        why = "a race makes no children" if algorithm_of(name) == Algorithm.RACE else why
        parts.append(f"No round tried to grow it further: {why}.")
    return [" ".join(parts)]


def _rounds(count: int) -> str:
    return f"{count} round{'s' * (count != 1)}"


def _reasons(rounds: Sequence[Json]) -> str:
    """Name why the rounds did not move, the most frequent reason first."""
    counted = Counter(RoundEnd(row["reason"]) for row in rounds).most_common()
    if len(counted) == 1:
        return STAYED.get(counted[0][0], str(counted[0][0]))
    return "; ".join(f"{count} times: {STAYED.get(end, end)}" for end, count in counted)


def _gain(
    outcome: Outcome,
    lead: float | None,
    error: float | None,
    before: tuple[float, float],
    after: tuple[float, float],
    images: int,
) -> list[str]:
    found = []
    if lead is not None:
        noise = "" if error is None else f" ± {error:.4f}"
        tail = {
            Outcome.BETTER: "a clear gain",
            Outcome.UNCLEAR: "no clear gain, since chance explains as much",
            Outcome.WORSE: "which was lost again",
        }[outcome]
        found.append(
            f"After equal training the winners led their parents by {lead:.4f}{noise} nats of "
            f"validation loss in all: {tail}."
        )
    rose = "rose" if after[0] > before[0] else "fell"
    worse = ": the search made the network worse" if outcome == Outcome.WORSE else ""
    found.append(
        f"Validation loss {rose} from {before[0]:.4f} to {after[0]:.4f} during the search, and "
        f"accuracy went from {before[1]:.2%} to {after[1]:.2%} of {images:,} images{worse}; longer "
        "training is part of this change."
    )
    return found


def spoken(seconds: float) -> str:
    """Write a time in minutes, or below one minute in seconds."""
    return f"{seconds / 60.0:.1f} minutes" if seconds >= 60.0 else f"{seconds:.0f} s"


def _saved(epoch: float, seconds: float) -> str:
    return (
        f"The final training reached a plateau at epoch {epoch:.3g} and ended early, which saved "
        f"about {spoken(seconds)}."
    )
