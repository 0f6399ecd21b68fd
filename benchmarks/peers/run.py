"""One run of a peer, for one seed; it writes a folder like those under results/.

The run consists of pretraining, the search, the final training with what these left of the budget,
and a single evaluation on the test images. All parts except the search are stages of the pipeline.
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
from nasflow.architecture.architecture import Architecture
from nasflow.comparison import tables
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import Algorithm
from nasflow.config.section import plain
from nasflow.network.base import base_network
from nasflow.network.network import compile_kernels, initialise
from nasflow.randomness import generator
from nasflow.search.status import no_search, size
from nasflow.stages import evaluation, training
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write_json
from nasflow.storage.splits import read_facts, read_split

# For each peer the package that it needs, and the encoding of the space.
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
    """Run a peer, unless its folder is finished already.

    Args:
        experiment: the configuration.
        peer: a name in PEERS.
        seed: the seed.
        data: the folder that the stage `prepare` wrote.
        folder: the folder to write.
        options: the options of peers.

    Raises:
        ValueError: if the folder was made with other settings, or a batch is larger than the
            training split.
    """
    made = _settings(experiment, seed, options)
    if (folder / "settings.json").exists() and read_json(folder / "settings.json") != made:
        raise ValueError(f"{folder}: made with other settings; remove it or name another --out")
    if (folder / "final/metrics.json").exists():
        return
    write_json(folder / "settings.json", made)
    compile_kernels()  # before seconds count, as the stage `prepare` does
    base = first_architecture(experiment, data)
    search = searcher(peer)
    bound = limit(experiment)
    threads = experiment.threads
    given: dict[str, Any] = {"data": data, "seed": seed, "device": "cpu", "threads": threads}
    _pretrain(experiment, peer, base, seed, folder, given)
    began = time.monotonic()
    train, validation = (read_split(data, name, "cpu") for name in ("train", "validation"))
    if (size := experiment.final.batch_size) > len(train):
        raise ValueError(f"final.batch_size: {size}; expected at most the {len(train)} images")
    meter = Meter(bound, len(train) // size, began)
    start = read_checkpoint(folder / "pretrain/network").network
    bench = Bench(experiment, options, seed, threads, train, validation, base, start, meter)
    found = search(bench)
    write_checkpoint(folder / "search/winner", found.network, 0, experiment.final.optimizer)
    _summarise(folder, peer, found, meter)
    _finish(experiment, folder, given)


def _settings(experiment: Experiment, seed: int, options: Options) -> dict[str, Any]:
    """Everything that the files of a run depend on, as JSON reads it back."""
    made: dict[str, Any] = {"options": options._asdict(), **tables.settings(experiment)}
    made |= {"threads": experiment.threads, "seeds": [seed]}
    read: dict[str, Any] = json.loads(json.dumps(made))
    return read


def _finish(experiment: Experiment, folder: Path, given: dict[str, Any]) -> None:
    """Train the winner and evaluate it."""
    sections = {"final": plain(experiment.final), "augment": plain(experiment.augment)}
    config = json.dumps(sections)
    winner, network = folder / "search/winner", folder / "final/network"
    training.final_train(config=config, parent=winner, out=network, **given)
    evaluation.evaluate(
        config=config,
        data=given["data"],
        network=network,
        search=folder / "search/summary.json",
        pretrain=folder / "pretrain/status.json",
        out=folder / "final/metrics.json",
        device="cpu",
        threads=experiment.threads,
    )


def searcher(peer: str) -> Callable[[Bench], Found]:
    """Return the search of a peer.

    Raises:
        ValueError: if the package that the peer needs is not installed.
    """
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


def first_architecture(experiment: Experiment, data: Path) -> Architecture:
    """Return the first architecture g_0, as the section `base` describes it."""
    if experiment.base.network is not None:
        return read_checkpoint(Path(experiment.base.network)).network.architecture
    facts = read_facts(data)
    image = (facts["channels"], facts["height"], facts["width"])
    return base_network(experiment.base, image, len(facts["classes"]), seed=0).architecture


def _pretrain(
    experiment: Experiment,
    peer: str,
    base: Architecture,
    seed: int,
    folder: Path,
    given: dict[str, Any],
) -> None:
    """Pretrain gromo's first network as g_0 is pretrained; trials start from random weights."""
    pretrain = experiment.pretrain
    if peer == "gromo":
        constraints = experiment.search.constraints
        base = growth.doubled(growth.first_widths(base, constraints), base)
    else:
        pretrain = pretrain.model_copy(update={"epochs": 0.0})
    first = folder / "first/network"
    write_checkpoint(first, initialise(base, generator("init", seed)), 0, pretrain.optimizer)
    sections = {
        "base": plain(experiment.base) | {"network": str(first)},
        "pretrain": plain(pretrain),
        "augment": plain(experiment.augment),
    }
    given = {"algorithm": Algorithm.NASGD, **given}  # which begins with the network at `base`
    training.pretrain(config=json.dumps(sections), out=folder / "pretrain/network", **given)


def _summarise(folder: Path, peer: str, found: Found, meter: Meter) -> None:
    """Write search/summary.json, with what the final training and the evaluation read in it."""
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
