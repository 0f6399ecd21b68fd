"""The one look at the test set."""

from __future__ import annotations

import time
from pathlib import Path

from nasflow.config.experiment import Augment
from nasflow.data.image_facts import NAME, image_facts
from nasflow.records.class_accuracy import by_class
from nasflow.records.predictions import judged, prediction_rows
from nasflow.records.summary import summary_text
from nasflow.search.status import size
from nasflow.stages.stage_inputs import sections_of
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json, write, write_json
from nasflow.storage.splits import read_facts, read_split
from nasflow.storage.tables import write_table
from nasflow.training.ranks import own_device
from nasflow.training.siblings import Siblings


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
) -> None:
    """The one look at the test set, a row an image in predictions.parquet. Where training images
    are mirrored, the accuracy of the mean over an image and its mirror image is told apart."""
    began, device = time.monotonic(), own_device(device)
    split, facts = read_split(data, "test", device), read_facts(data)
    trained = read_checkpoint(network).network.to(device)
    mirrored = None
    with Siblings([trained], lambda *_: None, workers=threads) as live:
        rows = prediction_rows(live.logits(split), split.labels.cpu())
        if sections_of(config, augment=Augment)["augment"]["flip"]:
            mirrored = live.evaluate(split, mirror=True)[0][1]
    loss, accuracy = judged(rows)
    found, before = read_json(search), read_json(pretrain)
    final = read_json(network.with_name("status.json"))
    seconds = {
        "pretrain": before["seconds"],
        "search": found["seconds"],
        "final": final["seconds"],
        "evaluate": time.monotonic() - began,
    }
    metrics = {
        "schema": 1,
        "algorithm": found["algorithm"],
        "test_accuracy": accuracy,
        "test_error": 1.0 - accuracy,
        "test_loss": loss,
        "test_images": len(split),
        "test_accuracy_mirrored": mirrored,
        "validation_accuracy": final["validation_accuracy"],
        "validation_loss": final["validation_loss"],
        "pretrained_validation_accuracy": before["validation_accuracy"],
        **size(trained.architecture),
        **{key: found[key] for key in ("rounds", "recentred", "architectures", "steps")},
        "search_epochs": found["network_epochs"],
        "pretrain_epochs": before["epochs"],
        "final_epochs": final["epochs"],
        **by_class(rows, facts["classes"]),
        "seconds": seconds | {"total": sum(seconds.values())},
    }
    text = summary_text(metrics, found, facts, trained.architecture, out.parent)
    files = {
        "predictions.parquet": write_table(out.with_name("predictions.parquet"), rows),
        "summary.txt": write(out.with_name("summary.txt"), text.encode()),
        NAME: write_json(out.with_name(NAME), {"schema": 1, **image_facts(facts)}),
    }
    write_json(out, metrics | {"files": files})
