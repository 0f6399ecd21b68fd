"""One network, trained: g_0 before the search, and its winner behind it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from nasflow.architecture.architecture import chain
from nasflow.config.experiment import Augment, Base, Final, Pretrain
from nasflow.network.network import Network, initialise
from nasflow.randomness import generator
from nasflow.search import allowance
from nasflow.search.status import size
from nasflow.stages.progress import progress
from nasflow.stages.stage_inputs import Json, check_batch, ready, sections_of
from nasflow.storage.attempt import attempt, inputs
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write_json
from nasflow.storage.manifest import paths
from nasflow.storage.splits import read_facts, read_split
from nasflow.storage.tables import write_table
from nasflow.training.train import train


def pretrain(*, config: str, data: Path, seed: int, out: Path, device: str, threads: int) -> None:
    """g_0 from random weights, or the network at base.network, trained."""
    sections = sections_of(config, base=Base, pretrain=Pretrain, augment=Augment)
    facts = read_facts(data)
    base = sections["base"]
    image, classes = (facts["channels"], facts["height"], facts["width"]), len(facts["classes"])
    manifests = [data / "data.json"]
    if base["network"] is None:
        head = "flat_head" if base["head"] == "flatten" else "head"
        g = chain(tuple(base["widths"]), base["kernel"], image, classes, head)
        network = initialise(g, generator("init", seed))
    else:
        network = read_checkpoint(Path(base["network"])).network
        manifests.append(paths(Path(base["network"]))[-1])
        _check_fits(network, image, classes, base["network"])
    _train_stage("pretrain", network, sections, data, manifests, seed, out, device, threads)


def final_train(
    *, config: str, data: Path, parent: Path, seed: int, out: Path, device: str, threads: int
) -> None:
    """The winner, trained to convergence from its weights: as `final` says, or for what pretraining
    and search left of its total budget."""
    sections = sections_of(config, final=Final, augment=Augment)
    network = read_checkpoint(parent).network
    final, manifests = sections["final"], [data / "data.json", paths(parent)[-1]]
    spent = {}
    if final["total_epochs"] is not None or final["total_seconds"] is not None:
        spent = read_json(parent.with_name("summary.json"))["spent"]
    _train_stage(
        "final", network, sections, data, manifests, seed, out, device, threads, spent=spent
    )


def _train_stage(
    name: str,
    network: Network,
    sections: Json,
    data: Path,
    manifests: Sequence[Path],
    seed: int,
    out: Path,
    device: str,
    threads: int,
    spent: Json | None = None,
) -> None:
    """`spent`: by pretraining and search, of the final training's total."""
    device = ready(device)
    began, stage = time.monotonic(), sections[name]
    train_split, validation = (read_split(data, s, device) for s in ("train", "validation"))
    images = len(train_split) + len(validation) * stage.get("use_validation", False)
    check_batch(f"{name}.batch_size", stage["batch_size"], images)
    if spent:
        stage = sections[name] = allowance.left(stage, spent, images)
    identity = {"stage": name, "seed": seed, "config": sections, "inputs": inputs(*manifests)}
    with attempt(out.parent, identity, device) as keeper:
        with progress(f"{name} seed {seed}") as show:
            trained, rows, facts = train(
                network.to(device),
                train_split,
                validation,
                stage,
                sections["augment"],
                purpose=name,
                seed=seed,
                workers=threads,
                progress=show,
                keeper=keeper,
                clock=lambda: keeper.seconds,
            )
        manifest = write_checkpoint(out, trained, 0, stage["optimizer"])
        history = write_table(out.with_name("history.parquet"), rows)
        status = {
            "schema": 1,
            "stage": name,
            "seed": seed,
            **facts,
            **size(trained.architecture),
            "seconds": time.monotonic() - began + keeper.earlier,
            "started": keeper.started,
            "machine": keeper.machine,
            "files": {"history.parquet": history, f"{out.name}.json": manifest},
        }
        write_json(out.with_name("status.json"), status)


def _check_fits(network: Network, image: tuple[int, int, int], classes: int, where: str) -> None:
    g = network.architecture
    wanted, found = (image, classes), ((g.image.width, *g.size), g.head.width)
    if wanted != found:
        raise ValueError(
            f"base.network: {where} takes (channels, height, width), classes {found}; "
            f"the data has {wanted}"
        )
