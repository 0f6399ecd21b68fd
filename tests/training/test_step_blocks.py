"""Batches on a GPU (a pretended one): the images of the CPU, few copies, and no wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pretended_gpu import Machine

from nasflow.randomness import generator
from nasflow.training import step_blocks
from nasflow.training.batches import Batches, Split
from nasflow.training.step_blocks import STEPS, Block, DrawnAhead, layout

EVERYTHING: dict[str, Any] = {
    **{"flip": True, "shift": 1, "cutout": 2, "alternate": True, "crop": 0.3, "colour": 1.0},
    **{"erase": 1.0, "mixup": 1.0, "cutmix": 1.0, "classes": 7},
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "alternate": {"flip": True, "alternate": True},
    "crop": {"crop": 0.6},
    "colour": {"colour": 0.4},
    "erase": {"erase": 0.5},
    "mixup or cutmix": {"mixup": 0.2, "cutmix": 1.0, "classes": 7},
    "flip, shift, cutout": {"flip": True, "shift": 2, "cutout": 3},
    "all": EVERYTHING,
}


@pytest.fixture
def gpu() -> Iterator[Machine]:
    """A pretended GPU."""
    with Machine() as machine:
        yield machine


def _split(*shape: int) -> Split:
    pixels = generator("pictures", *shape).integers(0, 256, shape, dtype=np.uint8)
    mean, std = torch.full((shape[3],), 0.4), torch.full((shape[3],), 0.25)
    return Split(torch.from_numpy(pixels), torch.arange(shape[0]) % 7, mean, std)


def _same(there: tuple[Any, ...], here: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.equal(a.elem, b) for a, b in zip(there, here, strict=True))


@pytest.mark.parametrize("kind", list(KINDS))
def test_seventy_batches_on_a_gpu_are_those_of_the_cpu_with_few_copies_and_no_wait(
    kind: str, gpu: Machine
) -> None:
    """An epoch has 13 steps, so that epochs begin inside of blocks."""
    split, options = _split(41, 6, 7, 3), KINDS[kind]
    here = Batches(split, 3, "train", (5,), **options)
    there = Batches(split.to("cuda"), 3, "train", (5,), **options)
    there(0)
    gpu.count.clear()
    for step in range(STEPS):
        assert _same(there(step), here(step)), step
    assert set(gpu.count) == {"launch"}, "all of the first block is there"
    for step in range(STEPS, 70):
        assert _same(there(step), here(step)), step
    assert set(gpu.count) == {"h2d", "launch"}, "no host wait"
    assert gpu.count["h2d"] == 2, "one copy for each of two blocks"


def test_few_kernels_make_a_batch(gpu: Machine) -> None:
    split = _split(41, 6, 7, 3).to("cuda")
    there = Batches(split, 3, "train", (5,), flip=True, shift=2, cutout=3)
    there(0)
    gpu.count.clear()
    there(1)
    assert gpu.count["launch"] <= 15


def test_the_first_batch_costs_few_copies(gpu: Machine) -> None:
    split = _split(41, 6, 7, 3).to("cuda")
    gpu.count.clear()
    Batches(split, 3, "train", (5,), **EVERYTHING)(0)
    assert gpu.count["h2d"] == 2, "a block, and the weights of a grey value"


@pytest.mark.parametrize("steps", [[3, 40, 41, 3, 4, 200, 31, 32, 95, 96, 40, 39]])
def test_steps_in_any_order_have_the_same_batches(steps: list[int], gpu: Machine) -> None:
    split = _split(41, 6, 7, 3)
    there = Batches(split.to("cuda"), 3, "train", (5,), **EVERYTHING)
    for step in steps:
        assert _same(there(step), Batches(split, 3, "train", (5,), **EVERYTHING)(step)), step


def test_what_a_batch_was_made_from_stays_while_later_blocks_come(gpu: Machine) -> None:
    split = _split(41, 6, 7, 3).to("cuda")
    there = Batches(split, 3, "train", (5,), **EVERYTHING)
    numbers = there._numbers(5)
    before = {name: t.elem.clone() for name, t in numbers.items()}
    for step in range(6, 2 * STEPS + 3):
        there._numbers(step)
    assert all(torch.equal(numbers[name].elem, t) for name, t in before.items())


def test_numbers_are_drawn_once_and_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a block is used, each step draws the numbers of one step of the next block."""
    asked: list[int] = []

    def draw(step: int) -> dict[str, np.ndarray]:
        asked.append(step)
        return {"odd": np.full(3, step % 2 == 1), "own": np.array([step, -step], dtype=np.int32)}

    monkeypatch.setattr(step_blocks, "pinned", lambda n: torch.empty(n, dtype=torch.uint8))
    ahead = DrawnAhead(draw, dict, torch.device("cpu"))
    ahead(0)
    asked.clear()
    for step in range(1, 3 * STEPS):
        numbers = ahead(step)
        assert numbers["own"].tolist() == [step, -step]
        assert numbers["odd"].tolist() == [step % 2 == 1] * 3
        assert asked == [step + STEPS]
        asked.clear()


def test_numbers_of_a_block_begin_at_multiples_of_sixteen_bytes_and_keep_their_types(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step_blocks, "pinned", lambda n: torch.empty(n, dtype=torch.uint8))
    numbers = {"a": np.ones(3, dtype=bool), "b": np.ones((2, 5)), "c": np.ones(1, dtype=np.int32)}
    places = layout(numbers)
    assert all(place.start % 16 == 0 for place in places.values())
    sent = Block(2, places, lambda step: numbers).sent(torch.device("cpu"))
    assert [t.dtype for t in sent.values()] == [torch.bool, torch.float64, torch.int32]
    assert [t.shape[0] for t in sent.values()] == [STEPS] * 3
    assert all(bool((t == 1).all()) for t in sent.values())
