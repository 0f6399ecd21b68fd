"""What a step costs on a GPU besides its kernels: waits of the host, copies, launches, operations.

The counts are those of a pretended GPU. They do not depend on the size of networks and images, so
that they hold for a real GPU too, as far as PyTorch launches one kernel for each operation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from cases import network
from on_gpu import Most, batch, usual_step
from pretended_gpu import Machine

from nasflow.training import optim
from nasflow.training.batches import Split
from nasflow.training.live_network import live
from nasflow.training.siblings import Siblings
from nasflow.training.teacher import Teacher

HEAVY = optim.heavy_ball(friction=1.0, weight_decay=1e-3)


NINE = {"n_neigh": 8, "max_steps": 5, "warmup_steps": 1}
CHANGES = {"flip": True, "shift": 1}
WHOLE = {"use_validation": True, "epochs": 2.0}  # evaluated once, at the end
# The search whose steps are counted, which of its trainings it is (0: pretraining, 1: the round,
# 2: the final training), and its bounds: what was counted on 29 November 2026. The comments tell
# what it was on that day before the work on the GPU. Whoever lowers a count lowers its bound.
STEPS: dict[str, tuple[dict[str, Any], int, Most]] = {
    # One wait, for the losses. It was 4 waits, and 3 copies for the places of pixels and for tau
    # with the rate. The graph had 553 operations, because each sibling had an update of its own.
    "a round of 9": ({"search": NINE, "augment": CHANGES}, 1, Most(1, 0, 0, 25, 366)),
    # The same without changed images. It was 2 waits and 1 copy.
    "a round of 9, plain images": (
        {"search": NINE, "augment": {"shift": 0}},
        1,
        Most(1, 0, 0, 18, 366),
    ),
    # Newton-Schulz works on kernels of equal shapes at once. It took some 70 operations for each
    # kernel, 1731 in all.
    "a round of 9, muon": (
        {"search": NINE | {"optimizer": "muon"}, "augment": CHANGES},
        1,
        Most(1, 0, 0, 25, 565),
    ),
    # A single network without validation. It was 4 waits and 3 copies.
    "a final training": ({"final": WHOLE, "augment": CHANGES}, 2, Most(1, 0, 0, 18, 39)),
    # The sides of the images and the holes of the cutout are drawn ahead. It was 6 waits, 4 copies
    # to the GPU and 1 back.
    "a final training, all changes": (
        {
            "final": WHOLE | {"alternating_flip": True, "cutout": 2, "weight_average": 3},
            "augment": CHANGES | {"mixup": 0.5},
        },
        2,
        Most(1, 0, 0, 25, 47),
    ),
    # `shards: 2`, the default, had no graph, 4 waits and 110 launches.
    "a final training, two shards": (
        {"final": WHOLE | {"shards": 2}, "augment": CHANGES},
        2,
        Most(1, 0, 0, 18, 85),
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_costs_no_more_than_it_may(name: str) -> None:
    sections, training, most = STEPS[name]
    found = usual_step(sections, training)
    over = {k: (n, m) for k, n, m in zip(Most._fields, found, most, strict=True) if n > m}
    assert not over, "found, allowed"


def test_waits_and_copies_do_not_grow_with_the_siblings() -> None:
    found = []
    for count in (2, 5):
        with Machine() as gpu:
            family = [network(0, 0).to("cuda")] * count
            with Siblings(family, HEAVY, average=4) as live:
                live.step([batch(0)], [batch(1)], 0.1)
                pair = [batch(2)], [batch(3)]
                with gpu.counting() as counted:
                    live.step(*pair, 0.1)
        found.append(counted)
    assert found[0] == found[1]
    assert found[0]["wait"] == 1, "for the losses"
    assert found[0]["launch"] <= 8, (
        "four parts of the batches, tau, the rate, the graph, the losses"
    )


def test_a_teacher_adds_operations_to_the_graph_and_neither_waits_nor_copies_nor_launches() -> None:
    found, captured = [], []
    for taught in (False, True):
        with Machine() as gpu:
            own = live(network(1, 1).to("cuda"))
            teacher = Teacher(own, 0.5, 2.0) if taught else None
            start = [network(0, 0).to("cuda")]
            with Siblings(start, HEAVY, average=4, shards=2, teacher=teacher) as siblings:
                siblings.step([batch(0)], None, 0.1)
                new = batch(2)
                with gpu.counting() as counted:
                    siblings.step([new], None, 0.1)
        found.append(counted)
        captured.append(gpu.captured[0])
    assert found[0] == found[1]
    assert found[1]["wait"] == 1, "for the loss"
    # Two parts; each needs the operations of the teacher and, forward and backward, of the loss.
    assert captured[0] < captured[1] <= captured[0] + 2 * 60


# What is done once in a round, or in some steps of a training, for two networks of three
# convolutions: how often the host waits. The bounds are what was counted on 29 November 2026.
SELDOM: dict[str, tuple[Any, int]] = {
    # It was one for the loss and one for the correct images of each network and batch.
    "evaluation": (lambda live, split: live.evaluate(split), 1),
    # It was one for each tensor of each network.
    "finite weights": (lambda live, split: live.finite(), 1),
    # It was one for each tensor of x, in every step with `kinetic`.
    "kinetic energies": (lambda live, split: live.kinetic_energies(), 1),
    # One for each tensor of a network. It happens where a state is kept, at most once a minute.
    "a kept state": (lambda live, split: live.state(0), 45),
    # One for each batch.
    "logits": (lambda live, split: live.logits(split), 1),
}


@pytest.mark.parametrize("name", SELDOM)
def test_what_is_seldom_done_waits_no_more_than_it_may(name: str) -> None:
    work, most = SELDOM[name]
    pixels = torch.from_numpy(np.arange(16 * 8 * 8 * 2, dtype=np.uint8).reshape(16, 8, 8, 2))
    half = torch.full((2,), 0.5)
    with Machine() as gpu:
        split = Split(pixels, torch.arange(16) % 5, half, half).to("cuda")
        family = [network(seed, 0).to("cuda") for seed in range(2)]
        with Siblings(family, HEAVY, average=4) as live, gpu.counting() as counted:
            work(live, split)
    assert counted["wait"] <= most
