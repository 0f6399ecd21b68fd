"""What the JSON records of nasflow hold: the type and the bounds of every value, by file.

A key may be missing, since older versions wrote fewer: a reader that needs it says so (module
`record`). A key that is not listed may hold anything, since newer versions write more; no reader
uses it. What is listed is checked before any reader sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from nasflow.config.kinds import Stored
from nasflow.printable import printable, shown
from nasflow.storage.front_shapes import Front
from nasflow.storage.record import CorruptFile
from nasflow.storage.values import (
    CLASSES,
    LONGEST,
    OPEN,
    Channels,
    Count,
    Counts,
    Ended,
    Files,
    Fraction,
    Network,
    Node,
    Number,
    Over,
    Positive,
    Round,
    Rounds,
    Seconds,
    Side,
    Text,
)


class Stage(Network, total=False):
    """status.json of a training or of a round."""

    stage: Text
    algorithm: Text
    seed: Count
    steps: Count
    epochs: Positive
    train_loss: Number | None
    seconds: Seconds
    started: Seconds
    machine: dict[Text, Text]
    files: Files
    round: Round
    reason: Ended
    winner: Node
    children: Node
    died: Node
    morphism: Text
    site: Text
    network_steps: Count
    k: Count
    totals: dict[Text, Positive]
    portfolio: bool
    lead: Number | None
    lead_error: Positive | None
    plateau_step: Count
    plateau_epoch: Positive
    saved_steps: Count
    saved_seconds: Seconds
    teacher: Text


class Step(Network, total=False):
    """One round in the lineage of a search."""

    round: Round
    morphism: Text
    site: Text
    reason: Ended
    steps: Count
    portfolio: bool | None
    lead: Number | None
    lead_error: Positive | None


class Summary(Network, total=False):
    """search/summary.json."""

    algorithm: Text
    reason: Over
    seconds: Seconds
    rounds: Rounds
    steps: Count
    cycles: Positive
    epochs: Positive
    network_epochs: Positive
    architectures: Count
    recentred: Count
    unmoved: Count
    seconds_left: Positive
    exhausted: Count
    diverged: Count
    spent: dict[Text, Positive]
    lineage: Annotated[list[Step], Field(max_length=LONGEST)]


class Class(TypedDict, total=False):
    """One class in metrics.json."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    name: Text
    images: Count
    recall: Fraction | None
    precision: Fraction | None


class Judged(TypedDict, total=False):
    """The verdict in metrics.json."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    outcome: Text
    saved: Seconds
    text: Annotated[list[Text], Field(max_length=100)]


class Metrics(Network, total=False):
    """final/metrics.json."""

    algorithm: Text
    test_accuracy: Fraction
    test_error: Fraction
    test_loss: Number | None
    test_images: Annotated[int, Field(ge=1, le=10**12)]
    test_accuracy_mirrored: Fraction | None
    pretrained_validation_accuracy: Fraction | None
    rounds: Rounds
    recentred: Count
    architectures: Count
    steps: Count
    search_epochs: Positive
    pretrain_epochs: Positive
    final_epochs: Positive
    balanced_accuracy: Fraction
    class_weights: Text | dict[Text, Number]
    classes: Annotated[list[Class], Field(max_length=CLASSES)]
    latency_float32: Positive | None
    latency_int8: Positive | None
    latency_predicted: dict[Text, Positive]
    seconds: dict[Text, Seconds]
    verdict: Judged
    exceeded: Annotated[list[Text], Field(max_length=100)]
    files: Files


class Images(TypedDict, total=False):
    """data.json, and images.json beside a final network."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    source: Text | None
    listing: Text | None
    classes: Annotated[list[Text], Field(min_length=1, max_length=CLASSES)]
    channels: Channels
    height: Side
    width: Side
    mean: Annotated[list[Number], Field(max_length=65_536)]
    std: Annotated[list[Annotated[float, Field(gt=0.0, le=1e300)]], Field(max_length=65_536)]
    counts: dict[Text, Counts]
    balance: dict[Text, Positive]
    modes: dict[Text, Count]
    duplicates: dict[Text, Count]
    files: Files


class Manifest(TypedDict, total=False):
    """The manifest of a checkpoint."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    k: Count
    optimizer: Text
    files: Files


class Named(TypedDict, total=False):
    """files.json of a comparison or of a suite."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    files: Files


class Sitting(TypedDict, total=False):
    """sitting.json of a suite."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    set: Text
    host: Text
    machines: Annotated[list[Text], Field(max_length=LONGEST)]
    began: Seconds
    ended: Seconds
    runs: Annotated[list[dict[Text, Number | Text | None]], Field(max_length=LONGEST)]


class Checked(TypedDict, total=False):
    """How well a table of latencies predicts."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    networks: Count
    median: Positive
    ninth: Positive
    within: Fraction


class Latencies(TypedDict, total=False):
    """latency/table.json, or a table of another machine."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    precision: Annotated[Stored, Field(strict=False)]
    image: Annotated[list[Channels], Field(min_length=3, max_length=3)]
    block: Annotated[int, Field(ge=1, le=1024)]
    milliseconds: Annotated[dict[Text, Positive], Field(max_length=1000)]
    check: Checked
    files: Files


class Mirror(TypedDict, total=False):
    """tracking/*.json of a search."""

    __pydantic_config__ = OPEN  # type: ignore[misc]
    status: Text
    error: Text | None
    run_id: Text | None
    parent_run_id: Text | None
    digest: Text | None
    uri: Text


MIRROR, MANIFEST, DATA = "tracking", "manifest", "data.json"
FRONT, LATENCY = "front", "latency_table"
SHAPES: Mapping[str, Any] = {
    "status.json": Stage,
    "summary.json": Summary,
    "metrics.json": Metrics,
    DATA: Images,
    "images.json": Images,
    "files.json": Named,
    "sitting.json": Sitting,
    LATENCY: Latencies,
    FRONT: Front,
    MIRROR: Mirror,
    MANIFEST: Manifest,
}


def check_shape(path: Path, data: Any, kind: str | None = None) -> None:
    """Check the types and bounds of a record.

    Args:
        path: the file of the record.
        data: what it holds.
        kind: a key of SHAPES; by default the file's name, or that of its folder, decides. A file
            that neither names is not checked.

    Raises:
        CorruptFile: names the first key whose value is not allowed.
    """
    known = (kind or "", path.name, path.parent.name)
    shape = next((SHAPES[name] for name in known if name in SHAPES), None)
    if shape is None:
        return
    try:
        _adapter(shape).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part != "[key]")
        allowed = first["msg"].replace("Input should be", "expected").replace("Value error, ", "")
        raise CorruptFile(
            f"{path}: {printable(where) or 'record'}: {shown(first['input'])}; "
            f"{printable(allowed)}; rerun the stage that writes it"
        ) from error


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
