"""The section `baselines`: a round of nash, nasgraph, random or halving."""

from __future__ import annotations

from nasflow.config.search import Search
from nasflow.config.section import Section, key


class Baselines(Section):
    """Hill climbing (Elsken et al. 2017, NASH) and the methods that are made of it.

    The keys that `search` has too take their place; batches, optimizer, morphisms and constraints
    are those of `search`. NASH's own values (8, 5, 17, 0.05 -> 0) and NASGraph's (4, 3, 30,
    0.1 -> 0) come from memory and a replica: unconfirmed."""

    n_neigh: int = key(8, "networks of a round, the parent among them", low=2, high=100_000)
    n_morphisms: int = key(5, "n_NM, morphisms that make a child", low=1, high=100)
    epochs_neigh: float = key(
        17.0, "training of each network of a round, epochs", above=0.0, high=1e5
    )
    lambda_start: float = key(0.05, "tau at the start of a round", above=0.0, high=10.0)
    lambda_final: float = key(0.0, "tau at the end of a round", low=0.0, high=10.0)
    ageing: float = key(
        2.0, "nasgraph: s, layers from the newest one at which gradients fade", above=0.0, high=1e6
    )
    eta: int = key(2, "halving: one of so many networks goes on to the next rung", low=2, high=100)

    def over(self, search: Search) -> Search:
        """Return `search`, in which the keys that this section has too hold its values."""
        shared = set(type(self).model_fields) & set(type(search).model_fields)
        return search.model_copy(update={name: getattr(self, name) for name in shared})
