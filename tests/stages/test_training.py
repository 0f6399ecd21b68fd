"""The stages that train: a pretraining can start from a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nasflow.stages import training
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json, write_json


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
