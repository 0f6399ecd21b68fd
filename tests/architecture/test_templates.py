"""The networks to begin with: what they are made of, for images of every size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nasflow.architecture.architecture import Architecture
from nasflow.architecture.templates import (
    GROUP,
    HALVED,
    SMALLEST,
    TEMPLATES,
    WIDTHS,
    chain,
    scaled,
    stack,
)
from nasflow.config.kinds import Template
from nasflow.config.search import Constraints
from nasflow.network.network import forward, initialise
from nasflow.search.neighbourhood import legal

CONVOLUTIONS = {"chain6": {3: 6}, "chain7": {3: 7}, "airbench": {3: 6}, "resnet20": {3: 19, 1: 2}}
ROOMY = Constraints(max_conv_layers=40, max_inputs=16)  # those of `nasflow init`

images = st.tuples(st.sampled_from([1, 3]), st.integers(8, 72), st.integers(8, 72))


def test_each_template_has_a_name_in_the_configuration() -> None:
    wider = {f"{name}_x{width:g}" for name in CONVOLUTIONS for width in WIDTHS}
    assert set(TEMPLATES) == set(Template) == {*CONVOLUTIONS, *wider}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@settings(deadline=None)
@given(image=images)
def test_a_template_fits_images_of_every_size(name: str, image: tuple[int, int, int]) -> None:
    g = TEMPLATES[name](image, 7)
    kernels = [conv.kernel for conv in g.convs]
    assert {side: kernels.count(side) for side in set(kernels)} == (
        CONVOLUTIONS[name.split("_")[0]]
    )
    assert (g.shapes[g.image.id], g.size, g.head.width) == (image, image[1:], 7)
    assert min(min(shape[1:]) for n, shape in g.shapes.items() if n != g.head.id) >= SMALLEST
    assert legal(g, ROOMY), "morphisms can go on from it"
    assert Architecture.from_json(g.to_json()) == g


@pytest.mark.parametrize("name", sorted(CONVOLUTIONS))
@pytest.mark.parametrize("width", WIDTHS)
def test_a_wider_template_has_more_filters_in_every_convolution(name: str, width: float) -> None:
    plain, wide = (TEMPLATES[n]((3, 32, 32), 10) for n in (name, f"{name}_x{width:g}"))
    assert [node.op for node in wide.nodes] == [node.op for node in plain.nodes]
    assert [conv.width for conv in wide.convs] == [scaled(c.width, width) for c in plain.convs]
    assert all(conv.width % GROUP == 0 for conv in wide.convs)


@pytest.mark.parametrize(
    ("filters", "width", "expected"), [(5, 1.0, 5), (32, 1.5, 48), (16, 0.25, 8), (32, 1.1, 32)]
)
def test_scaled_filters_are_a_multiple_of_a_group(
    filters: int, width: float, expected: int
) -> None:
    assert scaled(filters, width) == expected


@given(image=images)
def test_templates_have_different_fingerprints(image: tuple[int, int, int]) -> None:
    found = {make(image, 7).fingerprint for make in TEMPLATES.values()}
    assert len(found) == len(TEMPLATES)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@pytest.mark.parametrize("image", [(1, 8, 8), (3, 9, 13)])
def test_a_template_computes_logits(name: str, image: tuple[int, int, int]) -> None:
    g, x, buffers, _ = initialise(TEMPLATES[name](image, 4), np.random.default_rng(0))
    assert forward(g, x, buffers, torch.ones(2, *image), training=True).shape == (2, 4)


def test_the_stages_of_resnet20_halve_the_maps_by_strides() -> None:
    g = TEMPLATES["resnet20"]((3, 32, 32), 10)
    assert [len(stage) for stage in g.stages] == [7, 7, 7]
    assert [g.shapes[stage[0].id] for stage in g.stages] == [
        (16, 32, 32),
        (32, 16, 16),
        (64, 8, 8),
    ]
    assert [conv.kernel for conv in g.convs if conv.stride == 2] == [3, 1, 3, 1]
    assert sum(node.op == "add" for node in g.nodes) == 9


@pytest.mark.parametrize("name", sorted(CONVOLUTIONS))
def test_a_large_image_is_halved_by_the_first_convolution_and_costs_little_more(name: str) -> None:
    small, large, other = (
        TEMPLATES[name]((3, side, side), 10) for side in (HALVED - 16, 2 * (HALVED - 16), HALVED)
    )
    assert [g.convs[0].stride for g in (small, large, other)] == [1, 2, 1]
    assert [c.width for c in large.convs] == [c.width for c in small.convs]
    assert [large.shapes[c.id] for c in large.convs] == [small.shapes[c.id] for c in small.convs]
    assert 1.0 <= large.flops / small.flops <= 1.1


def test_airbench_is_whitened_and_reads_maxima() -> None:
    g = TEMPLATES["airbench"]((3, 32, 32), 10)
    whiten = g.nodes[1]
    assert (whiten.op, whiten.width, whiten.kernel) == ("whiten", 24, 2)
    assert g.head.op == "peak_head"
    assert all(node.smooth for node in (whiten, *g.convs))


def test_pools_are_left_out_where_a_map_would_become_too_small() -> None:
    pools = [
        sum(node.op == "pool" for node in stack((4, "P") * 4, (1, side, 40), 3).nodes)
        for side in (2, 4, 8, 15, 16, 32)
    ]
    assert pools == [0, 1, 2, 2, 3, 4]


# What nasflow at ee6798c, before strides and activations, said of the same networks.
@pytest.mark.parametrize(
    ("g", "fingerprint"),
    [
        (chain((8, 16, 32), 3, (1, 8, 8), 10), "e1eb05eb467ebc11"),
        (chain((32, 64), 5, (3, 32, 32), 100, "flat_head"), "c10671dca2f7084c"),
    ],
)
def test_the_papers_chain_is_what_it_was(g: Architecture, fingerprint: str) -> None:
    assert g.fingerprint == fingerprint


def test_a_chain_has_a_pool_between_any_two_convolutions() -> None:
    g = chain((8, 16, 32), 3, (1, 9, 8), 10)
    assert [n.op for n in g.nodes] == ["image", *("conv", "pool") * 2, "conv", "head"]
    assert [n.width for n in g.convs] == [8, 16, 32]
    with pytest.raises(ValueError, match="pool"):
        chain((8,) * 5, 3, (1, 8, 8), 10)
