"""The stages of the pipeline on a pretended GPU, with files: as on the CPU, and they go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import small
from on_gpu import near
from pretended_gpu import Machine

from nasflow.stages import evaluation, rounds, training
from nasflow.storage.attempt import Attempt
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json, write_json

CHANGES = {"shift": 1, "flip": True}


def given(here: Path, device: str) -> dict[str, Any]:
    return {"data": here / "data", "seed": 0, "device": device, "threads": 1}


def pretrain(here: Path, out: Path, device: str, algorithm: str = "nasgd") -> None:
    sections = {
        "base": {"widths": [4, 4]},
        "pretrain": {"batch_size": 8, "epochs": 0.6, "shards": 1},
    }
    own = {"config": json.dumps(sections | {"augment": CHANGES}), "algorithm": algorithm}
    training.pretrain(out=out / "network", **own, **given(here, device))


def final(here: Path, out: Path, device: str) -> None:
    own = small.TRAINED | {"shards": 1, "use_validation": True, "weight_average": 3, "cutout": 2}
    own |= {"distillation": 0.5, "temperature": 2.0}
    config = json.dumps({"final": own, "augment": CHANGES, "class_weights": {"b": 3.0}})
    parent = here / "pretrain/network"
    more = {"teacher": parent, **given(here, device)}
    training.final_train(config=config, parent=parent, out=out / "network", **more)


def nasgd(here: Path, out: Path, device: str) -> None:
    rounds.search_round(**small.options(here, out), device=device, threads=1)


def halving(here: Path, out: Path, device: str) -> None:
    options = small.options(here, out, algorithm="halving")
    few = {"n_neigh": 2, "n_morphisms": 1, "epochs_neigh": 0.8}
    options["config"] = json.dumps(json.loads(options["config"]) | {"baselines": few})
    rounds.search_round(**options, device=device, threads=1)


STAGES = {"pretrain": pretrain, "final": final, "nasgd": nasgd, "halving": halving}


def network(out: Path) -> Any:
    name = "winner" if (out / "winner.json").is_file() else "network"
    return read_checkpoint(out / name).network


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_on_a_gpu_is_that_of_the_cpu_and_goes_on_after_a_crash(
    folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = STAGES[name]
    run(folder, tmp_path / "cpu", "cpu")
    with Machine() as gpu:
        run(folder, tmp_path / "whole", "cuda")
    assert gpu.count["replay"] >= 3
    near(network(tmp_path / "whole"), network(tmp_path / "cpu"))
    keep, kept = Attempt.keep, list[int]()

    def crash(self: Attempt, step: int, make: Any) -> None:
        keep(self, step, make)
        kept.append(step)
        if step >= 3:
            raise OSError("the machine is gone")

    monkeypatch.setenv("NASFLOW_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(Attempt, "keep", crash)
    out = tmp_path / "crashed"
    with Machine(), pytest.raises(OSError, match="machine"):
        run(folder, out, "cuda")
    monkeypatch.setattr(Attempt, "keep", keep)
    with Machine() as again:
        run(folder, out, "cuda")
    assert again.count["replay"] == gpu.count["replay"] - kept[-1]
    assert small.results(out) == small.results(tmp_path / "whole")


def test_the_test_set_is_looked_at_on_a_gpu(tmp_path: Path) -> None:
    folder = small.prepare(tmp_path / "work")
    final(folder, tmp_path / "final", "cpu")
    summary, status = tmp_path / "summary.json", folder / "pretrain/status.json"
    found = {"algorithm": "none", "seconds": 1.0, "network_epochs": 0.0, "lineage": []}
    found |= {"reason": "rounds"}
    write_json(summary, found | dict.fromkeys(evaluation.COUNTED, 0))
    metrics = {}
    for device in ("cpu", "cuda"):
        out = tmp_path / device / "metrics.json"
        out.parent.mkdir()
        more = {"search": summary, "pretrain": status, "out": out, "device": device}
        with Machine():
            evaluation.evaluate(
                config=json.dumps({"augment": CHANGES}),
                data=folder / "data",
                network=tmp_path / "final/network",
                threads=1,
                **more,
            )
        metrics[device] = read_json(out)
    for key in ("test_loss", "test_accuracy", "test_accuracy_mirrored"):
        assert metrics["cuda"][key] == pytest.approx(metrics["cpu"][key], rel=1e-3)


def test_a_device_that_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    with Machine(devices=2), pytest.raises(ValueError, match="expected cuda:0 to cuda:1"):
        pretrain(folder, tmp_path / "out", "cuda:2")
