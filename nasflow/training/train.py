"""Training of one network: a family of one. Pretraining and final training are this function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nasflow.network.network import Network
from nasflow.training import optim
from nasflow.training.batches import Batches, Split, join
from nasflow.training.duration import Pace, Stopwatch
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Siblings
from nasflow.training.snapshot import FORGETFUL, Keeper, Snapshot

Row = dict[str, float | int | None]
ROWS_PER_RUN = 200
LOOKS = 10  # at the validation images


def steps_for(stage: dict[str, Any], images: int, flops: int) -> int | None:
    """Steps of a stage: its epochs, or the compute budget over 3 x forward FLOPs x images seen
    (the backward pass costs twice the forward one). None where it lasts seconds."""
    size = int(stage["batch_size"])
    if stage.get("seconds") is not None:
        return None
    if stage.get("flops") is not None:
        return max(1, round(float(stage["flops"]) / (3.0 * flops * size)))
    epochs = float(stage["epochs"])
    return max(1, round(epochs * (images // size))) if epochs else 0


def train(
    network: Network,
    data: Split,
    validation: Split,
    stage: dict[str, Any],
    augment: dict[str, Any],
    *,
    purpose: str,
    seed: int,
    workers: int,
    progress: Callable[[int, int, str], None],
    keeper: Keeper = FORGETFUL,
    clock: Callable[[], float] | None = None,
) -> tuple[Network, list[Row], dict[str, Any]]:
    """The trained network, rows of its history and facts (steps, epochs, losses, accuracy).

    Cosine from lambda_start to lambda_final over the whole stage, after an optional linear rise.
    Velocities start at zero. ValueError when the loss stops being finite. `clock` tells a stage
    that lasts `seconds` how many have gone by; its results vary from run to run."""
    if stage.get("use_validation"):
        data = join(data, validation)
    batches = Batches(
        data,
        stage["batch_size"],
        purpose,
        (seed,),
        cutout=stage.get("cutout", 0),
        alternate=stage.get("alternating_flip", False),
        **augment,
    )
    steps = steps_for(stage, len(data), network.architecture.flops)
    step = optim.make(
        stage["optimizer"], **{k: stage[k] for k in ("friction", "momentum", "weight_decay")}
    )
    still = Network(
        network.architecture, network.x, network.buffers, {k: v * 0 for k, v in network.v.items()}
    )
    pace = Pace(steps, stage.get("seconds"), clock or Stopwatch())
    rows: list[Row] = []
    recent: list[float] = []
    with Siblings(
        [still],
        step,
        workers=workers,
        shards=stage["shards"],
        average=stage.get("weight_average", 1),
        label_smoothing=stage["label_smoothing"],
        precision=stage["precision"],
    ) as live:
        loss, accuracy, seen, first = float("nan"), float("nan"), "", 0
        if steps == 0:
            loss, accuracy = live.evaluate(validation)[0]
        elif before := keeper.before(live.fingerprints, steps or float("inf")):
            first, facts = before.step, before.facts
            live.restore(before.siblings, first)
            rows, recent, (loss, accuracy) = facts["rows"], facts["recent"], facts["look"]

        def snapshot() -> Snapshot:
            facts = {"rows": rows, "recent": recent, "look": (loss, accuracy)}
            return Snapshot(k, facts, {}, [live.state(0)])

        k, total = first, pace.total(first)
        while k < total:
            share, rise = k / total, max(stage.get("warmup", 0.0) * total, 1.0)
            tau = cosine(share, 1.0, stage["lambda_start"], stage["lambda_final"]) * min(
                1.0, (k + 1) / rise
            )
            train_loss = float(live.step([batches(k)], None, tau)[0][0])
            k += 1
            if not np.isfinite(train_loss):
                raise ValueError(
                    f"{purpose}.lambda_start: {stage['lambda_start']}; the loss became "
                    f"{train_loss} at step {k}; lower it"
                )
            recent.append(train_loss)
            total = pace.total(k)
            now = min(k / total, 1.0) if total else 1.0
            look = int(LOOKS * now) > int(LOOKS * share)
            if look:
                loss, accuracy = live.evaluate(validation)[0]
                seen = f", validation accuracy {accuracy:.2%}"
            if look or int(ROWS_PER_RUN * now) > int(ROWS_PER_RUN * share):
                rows.append(
                    {
                        "step": k,
                        "epoch": k / batches.steps_per_epoch,
                        "tau": tau,
                        "train_loss": float(np.mean(recent)),
                        "validation_loss": loss if look else None,
                        "validation_accuracy": accuracy if look else None,
                    }
                )
                recent.clear()
            progress(k, max(k, round(total)), f"loss {train_loss:.3f}" + seen)
            if k < total:
                keeper.keep(k, snapshot)
        facts = {
            "steps": k,
            "epochs": k / batches.steps_per_epoch,
            "train_loss": rows[-1]["train_loss"] if rows else None,
            "validation_loss": loss,
            "validation_accuracy": accuracy,
        }
        return live.averaged(0), rows, facts
