"""The stages that train: a pretraining can start from a checkpoint; stages on a GPU."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from places import ROOT
from pretended_gpu import Machine

from nasflow.__main__ import main
from nasflow.architecture.templates import chain
from nasflow.network.network import initialise
from nasflow.randomness import generator
from nasflow.stages import rounds, training
from nasflow.storage.attempt import Attempt
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import read_json, write_json
from nasflow.training.siblings import Siblings


def test_pretraining_can_start_from_a_checkpoint_that_fits(folder: Path) -> None:
    given: dict[str, Any] = {"data": folder / "data", "seed": 1, "device": "cpu", "threads": 1}
    given |= {"algorithm": "nasgd"}
    start = str(folder / "pretrain/network")
    sections = {"base": {"network": start}, "pretrain": {"epochs": 0.0}}
    training.pretrain(config=json.dumps(sections), out=folder / "again/network", **given)
    one, two = (read_checkpoint(folder / f / "network").network for f in ("pretrain", "again"))
    assert one.architecture == two.architecture
    assert all(torch.equal(one.x[n], two.x[n]) for n in one.x)
    file = folder / "data/data.json"
    more = [*read_json(file)["classes"], "d"]
    write_json(file, read_json(file) | {"classes": more})
    with pytest.raises(ValueError, match=r"base\.network"):
        training.pretrain(config=json.dumps(sections), out=folder / "no/network", **given)


def test_all_stages_of_a_search_run_on_the_gpu_of_their_rank_and_deterministic_if_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a pretended machine with three GPUs; each stage records what it ran on."""
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    given: dict[str, Any] = {"data": folder / "data", "seed": 1, "device": "cuda", "threads": 1}
    given |= {"deterministic": True}
    current: list[tuple[int, bool]] = []
    launch = Siblings.launch

    def watched(self: Siblings, *batches: Any, **more: Any) -> None:
        asked = torch.are_deterministic_algorithms_enabled()
        current.append((torch.cuda.current_device(), asked))
        launch(self, *batches, **more)

    monkeypatch.setattr(Siblings, "launch", watched)
    sections = {"base": {"widths": [4, 4]}, "pretrain": {"epochs": 1.0, "precision": "bfloat16"}}
    first, second, last = (tmp_path / name for name in ("a/network", "1", "b/network"))
    search = {"search": {"n_neigh": 2, "max_steps": 3, "warmup_steps": 1}}
    with Machine(devices=3):
        training.pretrain(config=json.dumps(sections), algorithm="nasgd", out=first, **given)
        rounds.search_round(
            config=json.dumps(search),
            algorithm="nasgd",
            parent=first,
            budget=json.dumps({"rounds": 1}),
            round=1,
            out=second,
            **given,
        )
        final = json.dumps({"final": {"epochs": 1.0}})
        training.final_train(config=final, parent=second / "winner", out=last, **given)
    assert len(current) > 6 and set(current) == {(2, True)}
    for status in (first.with_name("status.json"), second / "status.json"):
        machine = read_json(status)["machine"]
        assert machine["device"] == "pretended"
        assert "deterministic=True deterministic_algorithms=True" in machine["flags"]
    assert not torch.are_deterministic_algorithms_enabled()


def _final(folder: Path, out: Path, teacher: Path | None, threads: int = 1, **own: Any) -> None:
    training.final_train(
        config=json.dumps({"final": small.TRAINED | own, "augment": {"mixup": 0.5}}),
        data=folder / "data",
        parent=folder / "pretrain/network",
        seed=0,
        out=out / "network",
        device="cpu",
        threads=threads,
        teacher=teacher,
    )


def test_a_taught_training_goes_on_after_a_crash_with_the_same_bytes_and_names_its_teacher(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small.pretrain(folder, tmp_path / "other", seed=1)
    teacher, own = tmp_path / "other/network", {"distillation": 0.7, "temperature": 2.0}
    _final(folder, tmp_path / "whole", teacher, threads=2, **own)
    assert f"final.distillation: 0.7; the teacher is {teacher}" in capsys.readouterr().err
    keep = Attempt.keep

    def crash(self: Attempt, step: int, make: Any) -> None:
        keep(self, step, make)
        if step >= 3:
            raise OSError("the machine is gone")

    monkeypatch.setenv("NASFLOW_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(Attempt, "keep", crash)
    with pytest.raises(OSError, match="machine"):
        _final(folder, tmp_path / "crashed", teacher, **own)
    monkeypatch.setattr(Attempt, "keep", keep)
    _final(folder, tmp_path / "crashed", teacher, **own)
    assert small.results(tmp_path / "crashed") == small.results(tmp_path / "whole")
    status = read_json(tmp_path / "whole/status.json")
    assert status["teacher"] == read_checkpoint(teacher).network.architecture.fingerprint
    digest = hashlib.sha256(teacher.with_suffix(".json").read_bytes()).hexdigest()
    assert status["made"]["inputs"][-1] == digest


def test_a_weight_without_a_teacher_and_a_teacher_without_a_weight_are_told_and_change_no_byte(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = folder / "pretrain/network"
    runs = {"plain": (None, 0.0), "no teacher": (None, 0.5), "no weight": (start, 0.0)}
    told = {}
    for name, (teacher, weight) in runs.items():
        _final(folder, tmp_path / name, teacher, distillation=weight)
        told[name] = capsys.readouterr().err
        assert "teacher" not in read_json(tmp_path / name / "status.json")
    files = ("network.safetensors", "network.json", "history.parquet")
    for file in files:
        assert len({(tmp_path / name / file).read_bytes() for name in runs}) == 1
    assert "distillation" not in told["plain"]
    assert "final.distillation: 0.5; without a teacher, by labels alone" in told["no teacher"]
    assert f"final.distillation: 0; --teacher {start} is not used" in told["no weight"]


def test_a_teacher_that_does_not_fit_is_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stem, start = tmp_path / "teacher", folder / "pretrain/network"
    write_checkpoint(stem, initialise(chain((4,), 3, (3, 8, 8), 2), generator("t", 0)), 0, "sgd")
    words = {"config": '{"final": {"distillation": 0.5}}', "data": folder / "data", "seed": 0}
    words |= {"parent": start, "out": tmp_path / "out/network", "teacher": stem}
    given = [str(word) for name, value in words.items() for word in (f"--{name}", value)]
    assert main(["final_train", *given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--teacher: {stem} takes" in line and "trained on the same prepared images" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("found", "default"), [("1", True), ("0", False), ("", False)])
def test_snakemake_hands_the_key_over_in_the_environment(found: str, default: bool) -> None:
    script = "from nasflow.command.arguments import read; print(read({words})[1]['deterministic'])"
    given = {"config": "{}", "algorithm": "nasgd", "data": "d", "seed": "1", "out": "o"}
    words = ["pretrain", *(word for name, value in given.items() for word in (f"--{name}", value))]
    command = [sys.executable, "-c", script.replace("{words}", repr(words))]
    environment = os.environ | {"NASFLOW_DETERMINISTIC": found}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(default)]
    assert (
        "NASFLOW_DETERMINISTIC={int(EXPERIMENT.deterministic)}"
        in (ROOT / "workflow/rules/common.smk").read_text()
    )
