"""A round of any algorithm, from its parent's checkpoint."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nasflow.config.experiment import Augment, Baselines, Budget, Search, algorithm_of, parse
from nasflow.network.network import at_rest
from nasflow.search import baselines
from nasflow.search import budget as policy
from nasflow.search.particle_round import run_round
from nasflow.search.round import Limits, Round, Setting
from nasflow.search.status import NO_TOTALS, round_status
from nasflow.stages.progress import progress
from nasflow.stages.stage_inputs import check_batch, ready, sections_of
from nasflow.storage.attempt import attempt, inputs
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write_json
from nasflow.storage.manifest import paths
from nasflow.storage.splits import read_split
from nasflow.storage.tables import write_table
from nasflow.training.ranks import joined


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
    device = ready(device)
    began = time.monotonic()
    sections = sections_of(config, search=Search, baselines=Baselines, augment=Augment)
    base = algorithm_of(algorithm)
    run = baselines.ROUNDS.get(base, run_round)
    search = sections["search"] | (sections["baselines"] if base in baselines.ROUNDS else {})
    train_split, validation = (read_split(data, s, device) for s in ("train", "validation"))
    for key, split in (("batch_size", train_split), ("validation_batch_size", validation)):
        check_batch(f"search.{key}", search[key], len(split))
    network, k, optimizer = read_checkpoint(parent)
    if optimizer != search["optimizer"]:  # velocities of another optimiser mean nothing here
        network = at_rest(network)
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
    for trouble in _troubles(result, base, search, epoch):
        print(f"nasflow: {title}: {trouble}", file=sys.stderr)


def _troubles(
    result: Round, algorithm: str, search: Mapping[str, Any], epoch: int
) -> Iterator[str]:
    """What whoever reads the round's result must know, a line each."""
    if result.reason == "diverged":
        section = "baselines" if algorithm in baselines.ROUNDS else "search"
        yield (
            f"all {len(result.architectures)} networks diverged; their parent stays and the search "
            f"ends; lower {section}.lambda_start"
        )
    elif algorithm in baselines.ROUNDS and result.reason != "exhausted":
        wanted = baselines.steps_wanted(search, epoch)
        if result.steps < wanted:
            yield (
                f"ended by the budget after {result.steps} of {wanted} steps; give it more of what "
                "budget bounds, or lower baselines.epochs_neigh"
            )
