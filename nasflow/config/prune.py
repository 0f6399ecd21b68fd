"""The section `prune`: rounds after the search that make the found network smaller."""

from __future__ import annotations

from nasflow.config.kinds import Moves, Proposal, Weights
from nasflow.config.search import MORPHISMS, NEGATIVE, Search
from nasflow.config.section import Section, choice, key


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
    epochs_neigh: float = key(6.0, "length of a cosine cycle, epochs", above=0.0, high=1e5)
    max_steps: int = key(200, "steps after which a round ends", low=1, high=10**8)
    size_weight: float = key(0.2, "nats that half the parameters are worth", low=0.0, high=10.0)

    def over(self, search: Search) -> Search:
        """Return the section `search` of the prune rounds.

        The keys that this section has too hold its values. Children are drawn by one negative
        morphism each, all with the same weight, and inherit the weights of their parent.

        Args:
            search: the section of the search.
        """
        shared = set(type(self).model_fields) & set(type(search).model_fields)
        own: dict[str, object] = {name: getattr(self, name) for name in shared}
        own |= {"n_morphisms": 1, "proposal": Proposal.UNIFORM, "weights": Weights.INHERITED}
        own["morphisms"] = {name: float(name in NEGATIVE) for name in MORPHISMS}
        return search.model_copy(update=own)
