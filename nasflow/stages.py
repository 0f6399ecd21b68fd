"""One function a rule: files in, files out. The rule, the subcommand and the function share a name.

A stage is a function of its input files, its own config section and the seed. Each writes its
status (or manifest) last.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nasflow import allowance, baselines
from nasflow import plan as policy
from nasflow.architecture import chain
from nasflow.config import (
    Augment,
    Base,
    Baselines,
    Budget,
    Data,
    Experiment,
    Final,
    Pretrain,
    Search,
    algorithm_of,
    parse,
    plain,
)
from nasflow.data import inventory, split_file
from nasflow.data.image_facts import NAME, image_facts
from nasflow.data.listing import listing
from nasflow.data.predictions import judged, prediction_rows
from nasflow.data.recalls import by_class
from nasflow.data.splits import read_facts, read_split, write_splits
from nasflow.network import Network, initialise
from nasflow.progress import progress
from nasflow.randomness import generator
from nasflow.ranks import joined, own_device
from nasflow.rectified import compile_kernels
from nasflow.search import run_round
from nasflow.sections import shown
from nasflow.setting import Limits, Setting
from nasflow.siblings import Siblings
from nasflow.status import NO_TOTALS, no_search, round_status, size
from nasflow.storage.attempt import attempt, inputs
from nasflow.storage.checkpoint import paths, read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write, write_json, write_page
from nasflow.storage.records import write_table
from nasflow.summary import summary_text
from nasflow.train import train

Json = dict[str, Any]


def prepare(*, config: str, out: Path) -> None:
    """Read the source, split it, write the three splits and which image is in which; compile the
    kernels, so that no stage whose seconds count does."""
    from nasflow.data.datasets import describe, load_splits  # imports what the source needs

    section = parse(Data, json.loads(config), "data")
    splits = load_splits(section)
    facts = describe(splits) | {"listing": listing(section)}
    arrays = {
        "train": (splits.train_images, splits.train_labels),
        "validation": (splits.validation_images, splits.validation_labels),
        "test": (splits.test_images, splits.test_labels),
    }
    write_splits(out, arrays, facts, {"split.csv": split_file.text(splits.table)})
    for line in inventory.lines(facts):
        print(f"nasflow: data: {line}", file=sys.stderr)
    compile_kernels()


def pretrain(*, config: str, data: Path, seed: int, out: Path, device: str, threads: int) -> None:
    """g_0 from random weights, or the network at base.network, trained."""
    sections = _sections(config, base=Base, pretrain=Pretrain, augment=Augment)
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


def plan(*, config: str, out: Path) -> None:
    """The budget, as a file: rounds read it, select_winner depends on it."""
    write_json(out, plain(parse(Budget, json.loads(config), "budget")))


def search_round(
    *,
    config: str,
    algorithm: str,
    data: Path,
    parent: Path,
    budget: str,
    seed: int,
    round: int,
    out: Path,
    device: str,
    threads: int,
) -> None:
    """One round of an algorithm or an ablation (`nasgd-log`) from the parent's checkpoint, on every
    rank that torchrun started; the first one writes."""
    device = _ready(device)
    began = time.monotonic()
    sections = _sections(config, search=Search, baselines=Baselines, augment=Augment)
    base = algorithm_of(algorithm)
    run = baselines.ROUNDS.get(base, run_round)
    search = sections["search"] | (sections["baselines"] if base in baselines.ROUNDS else {})
    train_split, validation = (read_split(data, s, device) for s in ("train", "validation"))
    for key, split in (("batch_size", train_split), ("validation_batch_size", validation)):
        _check_batch(f"search.{key}", search[key], len(split))
    network, k, optimizer = read_checkpoint(parent)
    if optimizer != search["optimizer"]:  # velocities of another optimiser mean nothing here
        network = _still(network)
    before = read_json(parent.with_name("status.json")).get("totals") or NO_TOTALS
    epoch = len(train_split) // search["batch_size"]
    cycle = search["epochs_neigh"] * epoch
    bounds = parse(Budget, json.loads(budget), "budget")
    seconds = (bounds.seconds or float("inf")) - before["seconds"]
    names = {"algorithm": algorithm, "seed": seed, "round": round}
    read = inputs(data / "data.json", paths(parent)[-1])
    identity = {"stage": "search_round", **names, "config": sections, "inputs": read}
    with joined() as ranks, attempt(out, identity, device, ranks) as keeper:
        limits = Limits(
            policy.steps_left(bounds, k, cycle, epoch),
            policy.network_steps_left(bounds, before["network_epochs"], epoch),
            seconds - keeper.earlier,
        )
        setting = Setting(
            base,
            search,
            sections["augment"],
            train_split,
            validation,
            seed=seed,
            number=round,
            workers=max(1, threads // ranks.here),
            limits=limits,
            ranks=ranks,
        )
        title = f"{algorithm} seed {seed} round {round}"
        of = f"/{bounds.rounds}" if bounds.rounds else ""
        with progress(title + of, quiet=not ranks.first) as show:
            result = run(network.to(device), k, setting, show, keeper)
        if not ranks.first:
            return
        files = {
            name: write_table(out / name, rows)
            for name, rows in (
                ("particles.parquet", result.particles),
                ("architectures.parquet", result.architectures),
            )
        }
        winner = write_checkpoint(out / "winner", result.network, result.k, search["optimizer"])
        files["winner.json"] = winner
        status = round_status(result, before, names, cycle, epoch)
        taken = time.monotonic() - began + keeper.earlier
        status["totals"]["seconds"] = before["seconds"] + taken
        status |= {"seconds": taken, "started": keeper.started}
        status |= {"machine": keeper.machine, "files": files}
        write_json(out / "status.json", status)
    if result.reason == "diverged":
        section = "baselines" if base in baselines.ROUNDS else "search"
        print(
            f"nasflow: {title}: all {len(result.architectures)} networks diverged; their parent "
            f"stays and the search ends; lower {section}.lambda_start",
            file=sys.stderr,
        )


def select_winner(
    *, algorithm: str, pretrain: Path, rounds: Sequence[Path], plan: Path, out: Path
) -> None:
    """The last round's winner under a fixed name, and the search in short; without rounds the
    pretrained network. `spent`: what pretraining and search took of a total budget."""
    statuses = [read_json(folder / "status.json") for folder in rounds]
    budget = parse(Budget, read_json(plan), "budget")
    last = rounds[-1] / "winner" if rounds else pretrain.with_name("network")
    network, k, optimizer = read_checkpoint(last)
    write_checkpoint(out, network, k, optimizer)
    totals = statuses[-1]["totals"] if rounds else no_search(network.architecture)
    before = read_json(pretrain)
    keys = (
        *("round", "morphism", "site", "reason", "steps", "parameters", "flops"),
        *("validation_loss", "validation_accuracy"),
    )
    summary = {
        "schema": 1,
        "algorithm": algorithm,
        "reason": policy.finished(budget, totals) if rounds else "none",
        **totals,
        "spent": {
            "epochs": before["epochs"] + totals["network_epochs"],
            "seconds": before["seconds"] + totals["seconds"],
        },
        "fingerprint": network.architecture.fingerprint,
        "lineage": [{key: status[key] for key in keys} for status in statuses],
    }
    write_json(out.with_name("summary.json"), summary)


def final_train(
    *, config: str, data: Path, parent: Path, seed: int, out: Path, device: str, threads: int
) -> None:
    """The winner, trained to convergence from its weights: as `final` says, or for what pretraining
    and search left of its total budget."""
    sections = _sections(config, final=Final, augment=Augment)
    network = read_checkpoint(parent).network
    final, manifests = sections["final"], [data / "data.json", paths(parent)[-1]]
    spent = {}
    if final["total_epochs"] is not None or final["total_seconds"] is not None:
        spent = read_json(parent.with_name("summary.json"))["spent"]
    _train_stage(
        "final", network, sections, data, manifests, seed, out, device, threads, spent=spent
    )


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
        if _sections(config, augment=Augment)["augment"]["flip"]:
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


def compare(*, config: str, results: Path, methods: Sequence[str], out: Path) -> None:
    """Tables, figures and the page of a comparison of finished searches."""
    from nasflow.comparison.comparing import compared  # imports pandas and matplotlib

    experiment = parse(Experiment, json.loads(config))
    made = compared(results, experiment, methods)
    files = {name: write(out / name, content) for name, content in made.items()}
    write_json(out / "files.json", {"schema": 1, "files": files})


def report(*, results: Path, config: str = "", out: Path | None = None) -> None:
    """The page of an experiment, by default as report.html in its folder."""
    from nasflow.report.page import page  # imports altair

    write_page(out or results / "report.html", page(results, json.loads(config or "null")))


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
    device = _ready(device)
    began, stage = time.monotonic(), sections[name]
    train_split, validation = (read_split(data, s, device) for s in ("train", "validation"))
    images = len(train_split) + len(validation) * stage.get("use_validation", False)
    _check_batch(f"{name}.batch_size", stage["batch_size"], images)
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


def _ready(device: str) -> str:
    """The device of this rank, its kernels loaded, like the imports, before seconds count."""
    own = own_device(device)
    if own == "cpu":
        compile_kernels()
    return own


def _check_fits(network: Network, image: tuple[int, int, int], classes: int, where: str) -> None:
    g = network.architecture
    wanted, found = (image, classes), ((g.image.width, *g.size), g.head.width)
    if wanted != found:
        raise ValueError(
            f"base.network: {where} takes (channels, height, width), classes {found}; "
            f"the data has {wanted}"
        )


def _check_batch(key: str, size: int, images: int) -> None:
    if size > images:
        raise ValueError(f"{key}: {size}; expected at most the {images} images there are")


def _sections(config: str, **classes: type) -> Json:
    """The named sections of a JSON text, checked, as plain data."""
    raw = json.loads(config)
    if not isinstance(raw, dict):
        raise ValueError(f"--config: {shown(raw)}; expected a JSON object of sections")
    return {name: plain(parse(cls, raw.get(name, {}), name)) for name, cls in classes.items()}


def _still(network: Network) -> Network:
    return network._replace(v={name: torch.zeros_like(t) for name, t in network.v.items()})
