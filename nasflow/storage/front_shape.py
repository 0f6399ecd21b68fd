"""What front.json holds: the trained networks of a search, from the smallest to the largest."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from nasflow.storage.values import OPEN, Count, Folder, Fraction, Positive, Round, Text


class Choice(TypedDict, total=False):
    """One network of a front; null stands for what could not be measured."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    index: Round
    name: Text
    source: Text
    folder: Folder
    fingerprint: Text
    found: bool
    teacher: bool
    share: Fraction | None
    parameters: Count
    flops: Count
    conv_layers: Count
    flash_int8: Count | None
    flash_float32: Count | None
    ram_int8: Count | None
    ram_float32: Count | None
    latency_int8: Positive | None
    latency_float32: Positive | None
    file_int8: Count | None
    file_float32: Count | None
    validation_accuracy: Fraction
    test_accuracy: Fraction | None
    test_accuracy_int8: Fraction | None
    on_front: dict[Text, bool]


class Images(TypedDict, total=False):
    """How many images the accuracies of a front were measured on."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    validation: Annotated[int, Field(ge=1, le=10**12)]
    test: Annotated[int, Field(ge=1, le=10**12)]


class Front(TypedDict, total=False):
    """front/front.json of a search."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    algorithm: Text
    seed: Count
    images: Images
    networks: Annotated[list[Choice], Field(min_length=1, max_length=1_000)]
