"""The types and bounds of single values in the JSON records, and what all networks have there.

Module `shapes` says which record holds which of them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from nasflow.search.ends import RoundEnd, SearchEnd

LONGEST = 100_000  # rows of a list in a record
CLASSES = 65_536
OPEN = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


def _file_name(name: str) -> str:
    """Refuse a name that leads out of the folder of the record."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise PydanticCustomError("name", "expected the plain name of a file beside the record")
    return name


Text = Annotated[str, Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Number = Annotated[float, Field(ge=-1e300, le=1e300)]
Positive = Annotated[float, Field(ge=0.0, le=1e300)]
Seconds = Annotated[float, Field(ge=0.0, le=1e11)]  # 3,000 years; `started` counts from 1970
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Round = Annotated[int, Field(ge=0, le=10**9)]
Rounds = Annotated[int, Field(ge=0, le=1_000_000)]
Node = Annotated[int, Field(ge=0, le=LONGEST)]
FileName = Annotated[str, Field(max_length=255), BeforeValidator(_file_name)]
Digest = Annotated[str, Field(max_length=64)]
Files = Annotated[dict[FileName, Digest], Field(max_length=LONGEST)]
Side = Annotated[int, Field(ge=1, le=4_096)]
Channels = Annotated[int, Field(ge=1, le=65_536)]
Ended = Annotated[RoundEnd, Field(strict=False)]
Over = Annotated[SearchEnd, Field(strict=False)]
Counts = Annotated[list[Count], Field(max_length=LONGEST)]


class Network(TypedDict, total=False):
    """What every record about a network holds."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    fingerprint: Text
    conv_layers: Count
    parameters: Count
    flops: Count
    flash_int8: Count
    flash_float32: Count
    ram_int8: Count
    ram_float32: Count
    validation_loss: Number | None
    validation_accuracy: Fraction | None
