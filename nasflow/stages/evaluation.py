"""The stage that looks at the test set, once."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from nasflow.config.data import Augment
from nasflow.config.search import Constraints
from nasflow.data.image_facts import NAME, image_facts
from nasflow.network.network import Network
from nasflow.records.class_accuracy import by_class
from nasflow.records.predictions import prediction_rows, score
from nasflow.records.summary import summary_text
from nasflow.records.verdict import verdict
from nasflow.search.bounds import exceeded
from nasflow.search.status import size
from nasflow.stages.latency import fits, table_beside, winner_latency
from nasflow.stages.stage_inputs import described, section, sections_of, stage
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json, write, write_json
from nasflow.storage.made import MADE, beside
from nasflow.storage.splits import read_facts, read_split, sizes
from nasflow.storage.tables import write_table
from nasflow.training.batches import Split
from nasflow.training.optim import no_update
from nasflow.training.siblings import Siblings

Json = dict[str, Any]  # what a status file holds
COUNTED = ("rounds", "recentred", "architectures", "steps")


class Tested(NamedTuple):
    """The predictions of the network for the test images.

    Attributes:
        rows: of predictions.parquet, one for each image.
        mirrored: accuracy of the mean over an image and its mirror image; None where training
            images are not mirrored.
    """

    rows: list[Json]
    mirrored: float | None


def evaluate(
    *,
    config: str,
    data: Path,
    network: Path,
    search: Path,
    pretrain: Path,
    out: Path,
    device: str,
    threads: int,
    deterministic: bool = False,
) -> None:
    """Look at the test set once, and write the metrics of the whole search.

    Where training images are mirrored, the accuracy with mirrored images is written separately.

    Args:
        config: the section augment as JSON, and class weights and bounds of a board where given.
        data: folder of the prepared images.
        network: stem of the checkpoint of the trained network.
        search: summary.json of the search.
        pretrain: status.json of the pretraining.
        out: metrics.json to write; the other files are written beside it.
        device: cpu, cuda or cuda:N.
        threads: threads of this process.
        deterministic: on a GPU, use only algorithms that give the same bits in each run.
    """
    began = time.monotonic()
    with stage(device, deterministic) as device:
        trained = read_checkpoint(network).network.to(device)
        tested = _tested_on(data, trained, sections_of(config), device, threads)
    facts = read_facts(data)
    sources = (search, pretrain, network.with_name("status.json"))
    found, before, final = (read_json(source) for source in sources)
    taken = time.monotonic() - began
    metrics = {
        **_metrics(tested, trained, found, before, final),
        **by_class(tested.rows, facts["classes"]),
        **_described(trained, sections_of(config), data),
        "seconds": _seconds(before, found, final, taken),
        "verdict": verdict(found, before, final, sizes(data)["validation"]).entry(),
    }
    text = summary_text(metrics, found, facts, trained.architecture, out.parent, seen=_seen(final))
    with beside(out.parent, out.name) as new:
        files = {
            "predictions.parquet": write_table(new / "predictions.parquet", tested.rows),
            "summary.txt": write(new / "summary.txt", text.encode()),
            NAME: write_json(new / NAME, {"schema": 1, **image_facts(facts)}),
        }
        write_json(new / out.name, metrics | {"files": files})


def front_evaluate(
    *,
    config: str,
    data: Path,
    network: Path,
    out: Path,
    device: str,
    threads: int,
    deterministic: bool = False,
) -> None:
    """Look at the test set once with another network of the front, and write its metrics.

    They have the names of `evaluate`, without those that tell of the search.

    Args:
        config: the section augment as JSON, and the class weights where there are any.
        data: folder of the prepared images.
        network: stem of the checkpoint of the trained network.
        out: metrics.json to write; predictions.parquet is written beside it.
        device: cpu, cuda or cuda:N.
        threads: threads of this process.
        deterministic: on a GPU, use only algorithms that give the same bits in each run.
    """
    began = time.monotonic()
    with stage(device, deterministic) as device:
        trained = read_checkpoint(network).network.to(device)
        tested = _tested_on(data, trained, sections_of(config), device, threads)
    facts = read_facts(data)
    final = read_json(network.with_name("status.json"))
    seconds = {"final": final["seconds"], "evaluate": time.monotonic() - began}
    metrics = {
        "schema": 1,
        **_tested(tested, final),
        **size(trained.architecture),
        "final_epochs": final["epochs"],
        **by_class(tested.rows, facts["classes"]),
        **described(sections_of(config)),
        "seconds": seconds | {"total": sum(seconds.values())},
    }
    with beside(out.parent, out.name) as new:
        predictions = write_table(new / "predictions.parquet", tested.rows)
        write_json(new / out.name, metrics | {"files": {"predictions.parquet": predictions}})


def _described(network: Network, sections: Json, data: Path) -> Json:
    """Return class weights where there are any, latencies, and the bounds that the network breaks.

    Each of these bounds is printed, too.
    """
    bounds, table = section(Constraints, sections, "constraints"), table_beside(data)
    own = table if fits(table, bounds) else None
    told = [
        f"search.constraints.{e.key} is {e.bound}, and the network takes {e.takes}"
        for e in exceeded(network.architecture, bounds, own)
    ]
    for line in told:
        print(f"nasflow: {line}; it does not fit the board", file=sys.stderr)
    found = described(sections) | winner_latency(network.to("cpu"), table)
    return found | ({"exceeded": told} if told else {})


def _seen(final: Json) -> bool:
    """Whether the final training used the validation images, as its status.json says."""
    return bool(final.get(MADE, {}).get("config", {}).get("final", {}).get("use_validation"))


def _tested_on(data: Path, network: Network, sections: Json, device: str, threads: int) -> Tested:
    """Look at the test images of a folder, mirrored too where training images are."""
    augment = section(Augment, sections, "augment")
    return _test(network, read_split(data, "test", device), augment, threads)


def _test(network: Network, split: Split, augment: Augment, threads: int) -> Tested:
    with Siblings([network], no_update, workers=threads) as live:
        logits, labels = live.logits(split), split.labels.cpu()
        both = logits + live.logits(split.mirrored()) if augment.flip else None
    mirrored = None if both is None else (both.argmax(1) == labels).double().mean().item()
    return Tested(prediction_rows(logits, labels), mirrored)


def _seconds(before: Json, found: Json, final: Json, taken: float) -> dict[str, float]:
    parts: dict[str, float] = {
        "pretrain": before["seconds"],
        "search": found["seconds"],
        "final": final["seconds"],
        "evaluate": taken,
    }
    return parts | {"total": sum(parts.values())}


def _metrics(tested: Tested, network: Network, found: Json, before: Json, final: Json) -> Json:
    return {
        "schema": 1,
        "algorithm": found["algorithm"],
        **_tested(tested, final),
        "pretrained_validation_accuracy": before["validation_accuracy"],
        **size(network.architecture),
        **{key: found[key] for key in COUNTED},
        "search_epochs": found["network_epochs"],
        "pretrain_epochs": before["epochs"],
        "final_epochs": final["epochs"],
    }


def _tested(tested: Tested, final: Json) -> Json:
    """Return how good a network is on the test images, and on the validation images."""
    loss, accuracy = score(tested.rows)
    return {
        "test_accuracy": accuracy,
        "test_error": 1.0 - accuracy,
        "test_loss": loss,
        "test_images": len(tested.rows),
        "test_accuracy_mirrored": tested.mirrored,
        "validation_accuracy": final["validation_accuracy"],
        "validation_loss": final["validation_loss"],
    }
