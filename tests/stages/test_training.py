"""The stages that train: a pretraining can start from a checkpoint; stages on a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from places import ROOT
from pretended_gpu import Machine

from nasflow.stages import rounds, training
from nasflow.storage.checkpoint import read_checkpoint
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
