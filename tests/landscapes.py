"""Small tables of losses and the searches that the tests run on them."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

from nasflow.studies.particle_search import particle_search
from nasflow.studies.searches import local_search, random_search, regularized_evolution
from nasflow.studies.table import Landscape, Search

SEARCHES: dict[str, Search[str]] = {
    "random": random_search,
    "local": partial(local_search, first=False),
    "first": partial(local_search, first=True, start=3),
    "evolution": partial(regularized_evolution, population=10, sample=4),
    "nasgd": partial(particle_search, algorithm="nasgd"),
    "nasagd": partial(particle_search, algorithm="nasagd"),
    "uniform": partial(particle_search, algorithm="nasgd", proposal="uniform"),
}


PARTICLES = ("nasgd", "nasagd", "uniform")


def words(seed: int, noise: float = 0.0, rugged: float = 0.0) -> Landscape[str]:
    """Return the landscape of all words of four digits from 0 to 4.

    The loss of a word is a sum of one random term for each digit, and a random term of its own
    (`rugged`). Each word has three trainings.
    """
    rng = np.random.default_rng(seed)
    words = ["".join(w) for w in itertools.product("01234", repeat=4)]
    terms = rng.random((4, 5))
    smooth = [sum(terms[i, int(d)] for i, d in enumerate(w)) for w in words]
    values = np.array(smooth) + rugged * rng.random(len(words))
    trainings = values[:, None] + noise * rng.standard_normal((len(words), 3))
    losses = dict(zip(words, trainings.tolist(), strict=True))

    def neighbours(word: str) -> list[str]:
        edits = (word[:i] + d + word[i + 1 :] for i in range(4) for d in "01234")
        return [other for other in edits if other != word]

    return Landscape(words, neighbours, losses.__getitem__)
