"""Equal networks make equal checkpoints, and a damaged checkpoint is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from nasflow.architecture.templates import chain
from nasflow.network.network import initialise
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import CorruptFile, read_json, write, write_json


def test_equal_networks_make_equal_bytes_and_damage_is_seen(tmp_path: Path) -> None:
    net = initialise(chain((4, 8), 3, (1, 8, 8), 3), np.random.default_rng(0))
    for name in "ab":
        write_checkpoint(tmp_path / name / "n", net, 5, "sgd")
    file = tmp_path / "a/n.safetensors"
    assert file.read_bytes() == (tmp_path / "b/n.safetensors").read_bytes()
    again = read_checkpoint(tmp_path / "a/n").network
    assert all(torch.equal(net.x[k], again.x[k]) for k in net.x)
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptFile, match="sha256"):
        read_checkpoint(tmp_path / "a/n")


SEARCH = "nasgd/seed_0"


def test_weights_that_do_not_fit_or_are_not_finite_are_refused(copied: Path) -> None:
    stem = copied / SEARCH / "pretrain/network"
    file, manifest = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    tensors, facts = load_file(file), read_json(manifest)
    name = "parameters.1.weight"
    for other, complaint in (
        (tensors | {name: tensors[name] * float("nan")}, "not finite"),
        (tensors | {name: tensors[name].double()}, "float64"),
        (tensors | {name: tensors[name][1:]}, "do not fit"),
        (tensors | {"parameters.99.weight": torch.zeros(1)}, "do not fit"),
        ({n: t for n, t in tensors.items() if n != name}, "do not fit"),
    ):
        files = facts["files"] | {file.name: write(file, save(other))}
        write_json(manifest, facts | {"files": files})
        with pytest.raises(CorruptFile, match=complaint):
            read_checkpoint(stem)


def test_a_pickle_is_never_read(copied: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1 / 0",)

    stem = copied / SEARCH / "pretrain/network"
    file, manifest = stem.with_suffix(".safetensors"), stem.with_suffix(".json")
    facts = read_json(manifest)
    sha256 = write(file, pickle.dumps(Bomb()))
    write_json(manifest, facts | {"files": facts["files"] | {file.name: sha256}})
    with pytest.raises(CorruptFile, match="not safetensors"):
        read_checkpoint(stem)
