"""What the two JSON records in the folder `front` of a search hold: plan.json and front.json."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from nasflow.storage.values import (
    OPEN,
    Count,
    Files,
    Fraction,
    Network,
    Positive,
    Seconds,
    Text,
)

MOST = 32  # networks of a front, as `final.front` allows
SOURCE = r"^(pretrain/network|(search|prune)/round_[1-9][0-9]{0,8}/winner)$"


class Row(Network, total=False):
    """One network of a front. plan.json has the keys up to `share`."""

    index: Annotated[int, Field(ge=1, le=MOST)]
    name: Text
    source: Annotated[str, Field(pattern=SOURCE)]
    found: bool
    teacher: bool
    share: Fraction
    folder: Annotated[str, Field(pattern=r"^(final|front/network_[1-9][0-9]?)$")]
    test_accuracy: Fraction
    test_accuracy_int8: Fraction | None
    validation_accuracy_int8: Fraction | None
    latency_float32: Positive | None
    latency_int8: Positive | None
    file_float32: Count | None
    file_int8: Count | None
    final_epochs: Positive
    seconds: Seconds
    on_front: dict[Text, bool]


class Front(TypedDict, total=False):
    """front/plan.json and front/front.json."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    algorithm: Text
    seed: Count
    images: dict[Text, Count]
    networks: Annotated[list[Row], Field(min_length=1, max_length=MOST)]
    spent: dict[Text, Positive]
    machine: dict[Text, Text]
    files: Files
