"""Rounds of seconds whose nodes are the networks of a portfolio, on 192 images of 8 x 8."""

from __future__ import annotations

from typing import Any

from quick import setting_of

from nasflow.config.kinds import FIXED, Algorithm, Template
from nasflow.network.base import template_network
from nasflow.network.network import Network
from nasflow.search.round import Setting

ALL = tuple(map(Template, FIXED))


def setting(
    algorithm: Algorithm, names: tuple[Template, ...] = ALL, part: float = 0.5, **own: Any
) -> Setting:
    """Return the setting of the first round of a search with a portfolio."""
    made = setting_of(2, **{"window": 5, "weight_average": 4, **own})
    return made._replace(algorithm=algorithm, portfolio=names, part=part)


def parent(setting: Setting) -> Network:
    """Return the first network of the portfolio, as the search begins with it."""
    images = setting.train.chunk(0, len(setting.train))[0]
    return template_network(setting.portfolio[0], (1, 8, 8), 3, setting.seed, images)


def names_of(setting: Setting) -> list[str]:
    """Return the column `morphism` of architectures.parquet."""
    return ["", *setting.portfolio[1:]]
