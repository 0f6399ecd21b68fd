"""A search in memory gives what the pipeline gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pretended_gpu import Machine
from small import SEARCH, TRAINED
from undetermined import undetermined

import nasflow
from nasflow.architecture.templates import TEMPLATES
from nasflow.stages import rounds, training
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.splits import write_splits

SECTIONS = {
    "augment": {"shift": 1},
    "base": {"widths": [4, 4]},
    "pretrain": {"batch_size": 8, "epochs": 1.0},
    "search": SEARCH,
    "budget": {"rounds": 2},
    "final": TRAINED,
}


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (count, 8, 8, 1)).astype(np.uint8), np.arange(count) % 3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("algorithm", ["nasgd", "nash"])
def test_a_search_in_memory_gives_bit_for_bit_what_the_pipeline_gives(
    tmp_path: Path, algorithm: str, weighted: bool
) -> None:
    """The pipeline gives classes names; in memory the text of a label is the name of its class.

    With class weights there is a teacher, too."""
    final = TRAINED | ({"distillation": 0.5} if weighted else {})
    sections = SECTIONS | {"baselines": {"epochs_neigh": 1.0}, "final": final}
    g = nasflow.chain((8,), 3, (1, 8, 8), 3)
    teacher = nasflow.initialise(g, np.random.default_rng(0)) if weighted else None
    data = {"class_weights": {1: 9.0}} if weighted else {}
    beside = {"class_weights": {"b": 9.0}} if weighted else {}
    more = {"algorithm": algorithm, "seed": 3, "data": data, "teacher": teacher}
    found = nasflow.run_search(*images(80), **more, **sections)
    assert (found.train.weights is not None) == weighted
    arrays = {
        name: (split.images.numpy(), split.labels.numpy())
        for name, split in (("train", found.train), ("validation", found.validation))
    }
    mean, std = (t.double().tolist() for t in (found.train.mean, found.train.std))
    facts = {"classes": ["a", "b", "c"], "channels": 1, "height": 8, "width": 8}
    write_splits(tmp_path, arrays, facts | {"mean": mean, "std": std})
    given = {"data": tmp_path, "seed": 3, "device": "cpu", "threads": 1}
    search = tmp_path
    config = json.dumps({k: sections[k] for k in ("base", "pretrain", "augment")} | beside)
    parent = tmp_path / "0/network"
    training.pretrain(config=config, algorithm=algorithm, out=parent, **given)
    config = json.dumps({k: sections[k] for k in ("search", "baselines", "augment")} | beside)
    for number in (1, 2):
        search = tmp_path / str(number)
        rounds.search_round(
            config=config,
            algorithm=algorithm,
            parent=parent,
            budget=json.dumps({"rounds": 2}),
            round=number,
            out=search,
            **given,
        )
        parent = search / "winner"
    (tmp_path / "summary.json").write_text("{}")
    config = json.dumps({k: sections[k] for k in ("final", "augment")} | beside)
    if teacher is not None:
        write_checkpoint(tmp_path / "teacher", teacher, 0, "sgd")
    given |= {"parent": parent, "teacher": tmp_path / "teacher" if teacher else None}
    training.final_train(config=config, out=tmp_path / "final/network", **given)
    for here, there in ((found.winner, parent), (found.network, tmp_path / "final/network")):
        kept = read_checkpoint(there).network
        assert here.architecture == kept.architecture
        assert all(torch.equal(t, kept.x[name]) for name, t in here.x.items())


@pytest.mark.parametrize(
    ("algorithm", "rounds"), [("race", 1), ("most_flops", 2), ("nasgd", 2), ("chain6", 0)]
)
def test_a_search_may_begin_with_a_portfolio(algorithm: str, rounds: int) -> None:
    names = ["chain7", "chain6"]
    budget = {"rounds": 2 if algorithm == "nasgd" else 9}
    begin = {"base": {"portfolio": names}, "pretrain": {"epochs": 0.0}, "budget": budget}
    sections = SECTIONS | begin
    found = nasflow.run_search(*images(80), algorithm=algorithm, **sections)
    first = TEMPLATES["chain6" if algorithm == "chain6" else "chain7"]((1, 8, 8), 3)
    assert found.base.architecture == first
    assert len(found.rounds) == rounds
    nodes = [[row["morphism"] for row in one.architectures] for one in found.rounds]
    if algorithm in ("race", "nasgd"):
        assert nodes[0] == ["", "chain6"]
    if algorithm == "nasgd":
        assert len(nodes[1]) == 1 + SEARCH["n_neigh"] and "chain6" not in nodes[1]


def test_a_search_starts_from_a_given_network_and_by_a_given_function() -> None:
    start = nasflow.initialise(nasflow.chain((4,), 3, (1, 8, 8), 3), np.random.default_rng(0))
    rounds = []

    def lazy(parent, k, setting, progress):  # type: ignore[no-untyped-def]
        rounds.append(k)
        return nasflow.run_round(parent, k, setting, progress)

    found = nasflow.run_search(*images(80), algorithm=lazy, start=start, **SECTIONS)
    assert rounds[0] == 0 and len(rounds) == 2 == len(found.lineage)
    assert found.base.architecture == start.architecture


def test_what_a_search_does_not_take_is_said_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^images: float64 \(8, 8\); expected uint8 .*$"):
        nasflow.run_search(np.zeros((8, 8)), [0] * 8)
    with pytest.raises(ValueError, match=r"^labels: \(3,\); .* each of 80 images$"):
        nasflow.run_search(images(80)[0], [0, 1, 2])
    with pytest.raises(ValueError, match=r"class_weights\.3: unknown class; .* '0', '1', '2'$"):
        nasflow.run_search(*images(80), data={"class_weights": {3: 2.0}})
    teacher = nasflow.initialise(nasflow.chain((4,), 3, (3, 8, 8), 3), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"^final\.distillation: 0; expected more than 0, .*$"):
        nasflow.run_search(*images(80), teacher=teacher)
    with pytest.raises(ValueError, match=r"^teacher takes .* \(\(3, 8, 8\), 3\); the network .*$"):
        nasflow.run_search(*images(80), teacher=teacher, final={"distillation": 0.5})
    with pytest.raises(ValueError, match=r"n_neigbours: unknown key; did you mean 'n_neigh'"):
        nasflow.run_search(*images(80), search={"n_neigbours": 3})


def test_labels_are_given_back_as_they_came() -> None:
    pixels, labels = images(80)
    names = np.array(["ant", "bee", "cat"])[labels]
    found = nasflow.run_search(pixels, names, **SECTIONS | {"budget": {"rounds": 0}})
    assert set(found.predict(pixels)) <= {"ant", "bee", "cat"}
    assert found.probabilities(pixels).sum(1) == pytest.approx(np.ones(80), abs=1e-5)
    assert found.score(pixels, found.predict(pixels)) == 1.0


def test_a_search_on_a_gpu_uses_it_alone_and_then_puts_the_former_one_back() -> None:
    """On a pretended machine with three GPUs; all tensors of the search are on the second one.

    No operation is one that has no deterministic algorithm, as `deterministic: true` needs it."""
    current: list[int] = []
    changes = {"flip": True, "shift": 1, "crop": 0.5, "colour": 0.3, "erase": 0.5}
    changes |= {"mixup": 0.2, "cutmix": 0.5}
    with Machine(devices=3) as gpu:
        torch.cuda.set_device(2)
        found = nasflow.run_search(
            *images(80),
            device="cuda:1",
            progress=lambda *_: current.append(torch.cuda.current_device()),
            **SECTIONS | {"budget": {"rounds": 1}, "augment": changes},
        )
        assert torch.cuda.current_device() == 2
        assert len(gpu.ops) > 30 and not undetermined(gpu.ops)
        assert {t.device for t in found.network.x.values()} == {torch.device("cuda:1")}
    assert set(current) == {1} and len(found.rounds) == 1


def test_a_gpu_that_is_not_there_is_refused_in_one_line() -> None:
    refused = pytest.raises(ValueError, match=r"device: cuda:7; torch .* finds 2 CUDA GPUs here")
    with Machine(devices=2), refused:
        nasflow.run_search(*images(80), device="cuda:7", **SECTIONS)
