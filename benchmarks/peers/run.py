"""One peer and seed, as a folder like those under results/: pretraining, search, the final training
for what they left, the one look at the test set. All but the search are the pipeline's own stages.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.peers import growth
from benchmarks.peers.bench import Bench, Found, Options
from benchmarks.peers.meter import Meter, limit
from nasflow.architecture.architecture import Architecture, chain
from nasflow.comparison import tables
from nasflow.config.experiment import Experiment, plain
from nasflow.network.network import compile_kernels, initialise
from nasflow.randomness import generator
from nasflow.search.status import no_search, size
from nasflow.stages import evaluation, training
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write_json
from nasflow.storage.splits import read_facts, read_split

# name -> package that it needs, encoding of the space
PEERS = {
    "optuna_tpe": ("optuna", "moves"),
    "optuna_random": ("optuna", "moves"),
    "optuna_tpe_shape": ("optuna", "shape"),
    "optuna_random_shape": ("optuna", "shape"),
    "gromo": ("gromo", ""),
}


def run(
    experiment: Experiment, peer: str, seed: int, data: Path, folder: Path, options: Options
) -> None:
    """Writes `folder`; what is finished is left as it is. ValueError where that was made with other
    settings."""
    made: dict[str, Any] = {"options": options._asdict(), **tables.settings(experiment)}
    made = json.loads(json.dumps(made | {"threads": experiment.threads, "seeds": [seed]}))
    if (folder / "settings.json").exists() and read_json(folder / "settings.json") != made:
        raise ValueError(f"{folder}: made with other settings; remove it or name another --out")
    if (folder / "final/metrics.json").exists():
        return
    write_json(folder / "settings.json", made)
    compile_kernels()  # as `prepare` does, before seconds count
    base = base_network(experiment, data)
    search = searcher(peer)
    bound = limit(experiment)
    given: dict[str, Any] = {
        "data": data,
        "seed": seed,
        "device": "cpu",
        "threads": experiment.threads,
    }
    _pretrain(experiment, peer, base, seed, folder, given)
    began = time.monotonic()
    train, validation = (read_split(data, name, "cpu") for name in ("train", "validation"))
    if (size := experiment.final.batch_size) > len(train):
        raise ValueError(f"final.batch_size: {size}; expected at most the {len(train)} images")
    meter = Meter(bound, len(train) // size, began)
    start = read_checkpoint(folder / "pretrain/network").network
    workers = experiment.threads
    bench = Bench(experiment, options, seed, workers, train, validation, base, start, meter)
    found = search(bench)
    write_checkpoint(folder / "search/winner", found.network, 0, experiment.final.optimizer)
    _summarise(folder, peer, found, meter)
    sections = {"final": plain(experiment.final), "augment": plain(experiment.augment)}
    config = json.dumps(sections)
    winner, network = folder / "search/winner", folder / "final/network"
    training.final_train(config=config, parent=winner, out=network, **given)
    evaluation.evaluate(
        config=config,
        data=data,
        network=network,
        search=folder / "search/summary.json",
        pretrain=folder / "pretrain/status.json",
        out=folder / "final/metrics.json",
        device="cpu",
        threads=experiment.threads,
    )


def searcher(peer: str) -> Callable[[Bench], Found]:
    """ValueError where its package is not installed."""
    package, encoding = PEERS[peer]
    name = "growing" if package == "gromo" else "trials"
    try:
        module = import_module(f"benchmarks.peers.{name}")
    except ImportError as error:
        raise ValueError(
            f"--peers: {peer}; {error.name} is not installed, pip install -e '.[peers]'"
        ) from error
    if package == "gromo":
        return growth.search
    return partial(module.search, sampler=peer.split("_")[1], encoding=encoding)


def base_network(experiment: Experiment, data: Path) -> Architecture:
    """g_0: that of `base`, without weights."""
    if experiment.base.network is not None:
        return read_checkpoint(Path(experiment.base.network)).network.architecture
    facts, base = read_facts(data), experiment.base
    image = (facts["channels"], facts["height"], facts["width"])
    head = "flat_head" if base.head == "flatten" else "head"
    return chain(tuple(base.widths), base.kernel, image, len(facts["classes"]), head)


def _pretrain(
    experiment: Experiment,
    peer: str,
    base: Architecture,
    seed: int,
    folder: Path,
    given: dict[str, Any],
) -> None:
    """gromo's first network as g_0 is; none for trials, which start from random weights."""
    pretrain = plain(experiment.pretrain)
    if peer == "gromo":
        constraints = plain(experiment.search)["constraints"]
        base = growth.doubled(growth.first_widths(base, constraints), base)
    else:
        pretrain |= {"epochs": 0.0}
    first = folder / "first/network"
    write_checkpoint(first, initialise(base, generator("init", seed)), 0, pretrain["optimizer"])
    sections = {
        "base": plain(experiment.base) | {"network": str(first)},
        "pretrain": pretrain,
        "augment": plain(experiment.augment),
    }
    training.pretrain(config=json.dumps(sections), out=folder / "pretrain/network", **given)


def _summarise(folder: Path, peer: str, found: Found, meter: Meter) -> None:
    """search/summary.json, with what the final training and the evaluation read of it."""
    before, g = read_json(folder / "pretrain/status.json"), found.network.architecture
    totals = no_search(size(g)) | {
        "seconds": meter.seconds,
        "network_epochs": meter.epochs,
        "steps": meter.steps,
        "rounds": len(found.trained),
        "recentred": len(found.lineage),
        "architectures": len({row["fingerprint"] for row in found.trained}),
    }
    spent = {
        "epochs": before["epochs"] + meter.epochs,
        "seconds": before["seconds"] + meter.seconds,
    }
    reason = "seconds" if meter.limit.unit == "seconds" else "network_epochs"
    summary = {"schema": 1, "algorithm": peer, "reason": reason, **totals, "spent": spent}
    summary |= {"fingerprint": g.fingerprint, "lineage": found.lineage}
    summary["trained"] = found.trained
    write_json(folder / "search/summary.json", summary)
