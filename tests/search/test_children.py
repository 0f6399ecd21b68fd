"""Children report how far they are from their parent, and can start with fresh weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import portfolios
import pytest
import timed
import torch
from quick import base_network, setting_of
from rounds import run

import nasflow
from nasflow.architecture.templates import TEMPLATES
from nasflow.config.kinds import Algorithm, Template
from nasflow.config.search import COMPOUND_WEIGHTS
from nasflow.network.base import template_network
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import initialise
from nasflow.search.children import propose, starts, within_bounds
from nasflow.storage.tables import read_table


def test_children_report_how_far_they_are_from_their_parent(folder: Path) -> None:
    """Positive morphisms change nothing in eval mode and little in train mode; negative ones
    jump."""
    out = run(folder, "c", 1, n_neigh=20)
    rows = read_table(out / "architectures.parquet").to_pandas().set_index("morphism")
    positive = rows[[name in MORPHISMS and MORPHISMS[name].preserves for name in rows.index]]
    assert len(positive)
    assert (positive.output_change < 1e-4).all()
    assert (positive.train_change < 0.5).all()
    others = positive.drop("deepen", errors="ignore")
    assert len(others)
    assert (others.train_change < 1e-4).all()
    negative = rows.drop(positive.index).drop("")
    assert len(negative)
    assert (negative.output_change > 0.01).all()


def test_fresh_weights_know_nothing_of_the_parents() -> None:
    """Two parents of one architecture give the same fresh family, and differ where inherited."""
    setting = setting_of(weights="fresh")
    a, b = base_network(), initialise(base_network().architecture, np.random.default_rng(1))
    families = [starts(p, propose(p, 0, setting), setting) for p in (a, b)]
    assert len(families[0]) == len(families[1]) > 1
    for one, two in zip(*families, strict=True):
        assert all(torch.equal(one.x[n], two.x[n]) for n in one.x)
    inherited = starts(a, propose(a, 0, setting), setting_of())
    assert torch.equal(inherited[0].x["1.weight"], a.x["1.weight"])


def test_compound_moves_make_children_of_different_kinds(folder: Path) -> None:
    out = run(folder, "whole", 1, n_neigh=4, moves="compound", max_steps=4, warmup_steps=2)
    rows = read_table(out / "architectures.parquet").to_pandas().iloc[1:]
    assert set(rows.morphism) <= set(COMPOUND_WEIGHTS) and rows.morphism.is_unique
    assert len(rows) == 4 and (rows.output_change < 1e-4).all()
    assert rows.site.str.fullmatch(r"\d+(,\d+)?").all()


def test_a_portfolio_makes_one_child_of_each_further_template() -> None:
    parent = template_network("chain6", (1, 8, 8), 3, 4, torch.zeros(1, 1, 8, 8))
    names = (Template.CHAIN6, Template.AIRBENCH, Template.RESNET20)
    setting = setting_of(4)._replace(portfolio=names)
    children = propose(parent, 0, setting)
    assert [child.morphisms for child in children] == [("airbench",), ("resnet20",)]
    assert [child.sites for child in children] == [((),), ((),)]
    images = setting.train.chunk(0, 192)[0]
    for child in children:
        expected = template_network(child.morphisms[0], (1, 8, 8), 3, 4, images)
        assert child.network.architecture == expected.architecture
        for mine, theirs in zip(child.network[1:], expected[1:], strict=True):
            assert all(torch.equal(t, theirs[name]) for name, t in mine.items())


def test_a_portfolio_of_one_network_has_no_children() -> None:
    setting = setting_of(4)._replace(portfolio=(Template.CHAIN6,))
    assert propose(base_network(), 0, setting) == []


LOOSE = {"max_conv_layers": 30, "max_filters": 64}


@pytest.mark.parametrize("n_morphisms", [1, 2])
@pytest.mark.parametrize("room", [1.02, 1.1, 1.5])
def test_no_child_takes_longer_than_the_bound(room: float, n_morphisms: int) -> None:
    own, g = timed.table(), base_network().architecture
    bound = room * own.milliseconds(g)
    loose = setting_of(constraints=LOOSE, n_neigh=8, n_morphisms=n_morphisms)
    tight = setting_of(
        constraints=LOOSE | {"max_latency": bound}, n_neigh=8, n_morphisms=n_morphisms
    )
    free, kept = (
        propose(base_network(), 0, setting._replace(latency=own)) for setting in (loose, tight)
    )
    times = [[own.milliseconds(c.network.architecture) for c in drawn] for drawn in (free, kept)]
    assert max(times[0]) > 1.1 * own.milliseconds(g), "some children are slower"
    assert max(times[1], default=0.0) <= bound


def test_a_centre_above_the_bound_is_refused_unless_the_search_shrinks_it() -> None:
    own = timed.table()
    bound = {"constraints": {"max_latency": 0.5 * own.milliseconds(base_network().architecture)}}
    setting = setting_of(**bound)._replace(latency=own)
    with pytest.raises(ValueError, match=r"max_latency: .*; g_r takes .* ms for one image"):
        propose(base_network(), 0, setting)
    shrink = dict.fromkeys(MORPHISMS, 0.0) | {"narrow": 1.0, "shallow": 1.0}
    pruned = propose(base_network(), 0, setting_of(morphisms=shrink, **bound)._replace(latency=own))
    first = own.milliseconds(base_network().architecture)
    assert pruned
    assert all(own.milliseconds(child.network.architecture) < first for child in pruned)


def test_a_bound_on_latency_needs_a_table() -> None:
    with pytest.raises(ValueError, match="max_latency: the round got no table"):
        propose(base_network(), 0, setting_of(constraints={"max_latency": 1.0}))
    with pytest.raises(ValueError, match="max_latency: expected None"):
        nasflow.draw_children(base_network(), 2, max_latency=1.0)


def test_networks_of_a_portfolio_above_the_bound_are_left_out() -> None:
    setting = portfolios.setting(Algorithm.NASGD)
    parent = portfolios.parent(setting)
    g = parent.architecture
    own = timed.table(g.shapes[g.image.id])
    bounds = setting.search.constraints.model_copy(update={"max_latency": own.milliseconds(g)})
    search = setting.search.model_copy(update={"constraints": bounds})
    left = within_bounds(parent, setting._replace(search=search, latency=own)).portfolio
    made = {name: TEMPLATES[name](timed.IMAGE, g.head.width) for name in setting.portfolio}
    quick = tuple(n for n, other in made.items() if own.milliseconds(other) <= own.milliseconds(g))
    assert 0 < len(quick) < len(setting.portfolio)
    assert left == (quick if len(quick) > 1 else ())
