"""The section `base`: the network that the search starts from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nasflow.config.kinds import Head
from nasflow.config.section import Kernel, Section, choice, key

Filters = Annotated[int, Field(ge=1, le=8192)]


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
