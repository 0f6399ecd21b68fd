"""The section `base`: the network that the search starts from."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from nasflow.config.kinds import Head, Template
from nasflow.config.section import Kernel, Section, choice, different, key

Filters = Annotated[int, Field(ge=1, le=8192)]
Entry = Annotated[Template, Field(strict=False)]


class Base(Section):
    """g_0: Conv-MaxPool-Conv-MaxPool-Conv-head, with as many convolutions as there are widths."""

    widths: tuple[Filters, ...] = key(
        (8, 16, 32), "filters of the convolutions", min_length=1, strict=False
    )
    kernel: Kernel = key(3, "kernel of the convolutions")
    head: Head = choice(
        Head.GLOBAL_AVERAGE, "what the last linear layer reads: the mean of each map, or all of it"
    )
    network: str | None = key(
        None, "checkpoint to start from instead, such as results/E/A/seed_0/final/network"
    )
    portfolio: Annotated[tuple[Entry, ...], AfterValidator(different)] = key(
        (),
        "networks of the first round, which takes one of them as g_0; empty: the chain of `widths`",
        strict=False,
    )
    portfolio_part: float = key(
        0.5,
        "part of the budget in seconds or steps that the first round takes at most",
        above=0.0,
        high=1.0,
    )
    portfolio_forecast: float = key(
        2.0,
        "times as many steps for which losses of a portfolio are predicted; 1: losses as they are",
        low=1.0,
        high=16.0,
    )
