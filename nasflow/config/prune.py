"""The section `prune`: rounds after the search that make the found network smaller."""

from __future__ import annotations

from nasflow.config.kinds import Moves, Proposal, Weights
from nasflow.config.search import MORPHISMS, NEGATIVE, Search
from nasflow.config.section import Section, choice, key

PART = 0.3  # of the seconds that are left, which all prune rounds take together
FALL = 50.0  # a prune round ends with a step size that is lower by this factor, at least


class Prune(Section):
    """Rounds of negative morphisms, which begin with the network that the search found.

    The keys that `search` has too take their place. The networks of these rounds are candidates
    for the front (`final.front`)."""

    rounds: int = key(0, "number of rounds", low=0, high=1000)
    n_neigh: int = key(4, "children of a round", low=1, high=100_000)
    moves: Moves = choice(
        Moves.COMPOUND,
        "children lose a part of all layers or stages (compound) or of one layer (single)",
    )
    max_steps: int = key(
        200, "steps of a round, in which the step size falls once", low=1, high=10**8
    )
    seconds: float | None = key(
        None,
        "seconds of wall clock of one round; null: no bound, but with final.total_seconds all "
        "rounds together get 30 % of what the budget leaves",
        above=0.0,
    )
    size_weight: float = key(0.1, "nats that half the parameters are worth", low=0.0, high=10.0)

    def over(self, search: Search) -> Search:
        """Return the section `search` of the prune rounds.

        The keys that this section has too hold its values. Children are drawn by one negative
        morphism each, all with the same weight, and inherit the weights of their parent. They have
        lost a part of what they could do, and need steps to recover: so the averages of their
        losses begin after half of a round, and particles move in its last quarter only.

        Args:
            search: the section of the search.
        """
        shared = set(type(self).model_fields) & set(type(search).model_fields)
        own: dict[str, object] = {name: getattr(self, name) for name in shared}
        own |= {"n_morphisms": 1, "proposal": Proposal.UNIFORM, "weights": Weights.INHERITED}
        own["burn_in"] = max(search.burn_in, self.max_steps // 2)
        own["warmup_steps"] = max(search.warmup_steps, 3 * self.max_steps // 4)
        own["lambda_final"] = min(search.lambda_final, search.lambda_start / FALL)
        own["morphisms"] = {name: float(name in NEGATIVE) for name in MORPHISMS}
        return search.model_copy(update=own)
