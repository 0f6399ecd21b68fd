"""A round by particles: warm-up, burn-in, energies, and every way to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import portfolios
import pytest
import timed
import torch
from quick import base_network, setting_of
from rounds import BUDGET, TABLES, run

from nasflow.config.budget import Budget
from nasflow.config.kinds import Algorithm, Stored
from nasflow.config.reading import parse
from nasflow.config.search import MORPHISMS, Search
from nasflow.deployment.ram import ram
from nasflow.particles import flow
from nasflow.records.offspring import offspring
from nasflow.search.budget import Limits, finished
from nasflow.search.children import propose
from nasflow.search.ends import RoundEnd
from nasflow.search.forecast import FEWEST, Forecast
from nasflow.search.particle_round import run_round
from nasflow.search.round import Round, Setting
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.tables import read_table
from nasflow.training.turns import Turns


def test_paired_siblings_start_exactly_equal_and_independent_ones_do_not(folder: Path) -> None:
    positive = dict.fromkeys(MORPHISMS, 0.0) | {"widen": 1.0, "enlarge_kernel": 1.0}
    paired = read_table(run(folder, "p", 1, morphisms=positive) / TABLES[0]).to_pandas()
    other = run(folder, "i", 1, morphisms=positive, validation="independent")
    independent = read_table(other / TABLES[0]).to_pandas()
    first = paired[paired.step == 1].train_loss
    assert first.max() - first.min() < 1e-5
    first = independent[independent.step == 1].train_loss
    assert first.max() - first.min() > 1e-3


def test_the_budget_ends_a_round_and_the_parent_stays(folder: Path) -> None:
    status = json.loads((run(folder, "b", 1, budget={"steps": 7}) / "status.json").read_text())
    assert (status["reason"], status["steps"], status["winner"]) == ("budget", 7, 0)


def test_papers_constants_move_fewer_particles_than_auto(folder: Path) -> None:
    """The scales are designed so: with kappa = 1 and tau <= 0.05 next to nothing moves."""
    paper = read_table(run(folder, "x", 1, scaling="paper") / TABLES[0]).to_pandas()
    auto = read_table(run(folder, "y", 1) / TABLES[0]).to_pandas()
    assert paper.moved.sum() < auto.moved.sum()


def test_the_second_order_has_a_potential_that_starts_at_zero(folder: Path) -> None:
    """phi is 0 through the warm-up and the first move, which pushes it down everywhere."""
    first = read_table(run(folder, "1st", 1) / TABLES[0]).to_pandas()
    assert not first.phi.any()
    second = read_table(run(folder, "2nd", 1, "nasagd") / TABLES[0]).to_pandas()
    assert not second[second.step <= 51].phi.any()
    after = second[second.step == 52]
    assert len(after) and not second[second.step == 51].restarted.any()
    assert (after.phi < 0).all()
    assert second[second.step == 51].moved.sum() == 0
    assert second[second.step > 51].moved.sum() > 0
    often = {"restart": "paper"}  # the signed rule restarts no node in so few steps
    third = read_table(run(folder, "3rd", 1, "nasagd", second_order=often) / TABLES[0]).to_pandas()
    assert third.restarted.any()
    for table in (second, third):
        steps = set(table[table.restarted].step + 1)
        assert not table[table.step.isin(steps)].phi.any()


def test_a_round_averages_anew_after_its_burn_in(folder: Path) -> None:
    """Nothing differs before the burn-in ends; the first mean after it is the loss of that step
    alone."""
    window = Search().window
    runs = run(folder, "n0", 1), run(folder, "n20", 1, burn_in=20)
    whole, fresh = (
        read_table(out / TABLES[0]).to_pandas().pivot(index="step", columns="node") for out in runs
    )
    assert whole.loc[:20].equals(fresh.loc[:20])
    mass = 1.0 - (1.0 - 1.0 / window) ** np.arange(20.0, 22.0)
    before, after = (whole.validation_loss.loc[step].to_numpy() for step in (20, 21))
    loss = (after * mass[1] - before * mass[0] * (1.0 - 1.0 / window)) * window
    np.testing.assert_allclose(fresh.validation_loss.loc[21], loss, rtol=1e-9)
    assert not fresh.standard_error.loc[21].any()
    assert fresh.standard_error.loc[22, 1:].all()


def test_kinetic_energy_counts_where_it_is_wanted(folder: Path) -> None:
    plain = read_table(run(folder, "k0", 1, "nasagd") / TABLES[0]).to_pandas()
    options = {"kinetic": True}
    kinetic = run(folder, "k1", 1, "nasagd", second_order=options)
    rows = read_table(kinetic / TABLES[0]).to_pandas()
    first, with_it = (t[t.step == 30].reset_index() for t in (plain, rows))
    assert (with_it.validation_loss == first.validation_loss).all()
    entropy = [t.energy - t.validation_loss - t.weight * t.share for t in (first, with_it)]
    assert entropy[0].abs().max() < 1e-9
    assert (entropy[1] > 0).all()


def test_a_search_ends_where_no_child_is_legal(folder: Path) -> None:
    out = run(folder, "e", 1, constraints={"max_parameters": 1})
    status = json.loads((out / "status.json").read_text())
    assert (status["reason"], status["steps"], status["children"]) == ("exhausted", 0, 0)
    assert finished(parse(Budget, BUDGET), status["totals"]) == "children"
    before = read_checkpoint(folder / "pretrain/network")
    after = read_checkpoint(out / "winner")
    assert after.k == before.k
    assert all(torch.equal(before.network.x[n], t) for n, t in after.network.x.items())


def test_half_the_parameters_are_worth_size_weight(folder: Path) -> None:
    shrink = dict.fromkeys(MORPHISMS, 0.0) | {"narrow": 1.0}
    free = run(folder, "f", 1, morphisms=shrink)
    paid = run(folder, "p", 1, morphisms=shrink, size_weight=0.5)
    tables = [read_table(out / TABLES[0]).to_pandas() for out in (free, paid)]
    size = read_table(paid / TABLES[1]).to_pandas().parameters.to_numpy()
    first, second = (t[t.step == 40].set_index("node") for t in tables)
    price = [
        (t.energy - t.validation_loss - t.weight * t.share).to_numpy() for t in (first, second)
    ]
    np.testing.assert_allclose(price[0], 0.0, atol=1e-9)
    np.testing.assert_allclose(price[1], 0.5 * np.log2(size / size[0]), atol=1e-9)
    assert json.loads((paid / "status.json").read_text())["reason"] == "recentred"


@pytest.mark.parametrize("weights", [(0.0, 0.3, 0.0), (0.0, 0.0, 0.7), (0.2, 0.3, 0.7)])
def test_half_the_memory_and_half_the_latency_are_worth_their_weights(
    weights: tuple[float, float, float],
) -> None:
    names = ("size_weight", "ram_weight", "latency_weight")
    own = timed.table()
    prices: dict[str, Any] = dict(zip(names, weights, strict=True))
    setting = _nasgd(limits=Limits(network_steps=18.0), **prices)._replace(latency=own)
    found = run_round(base_network(), 0, setting, lambda *_: None)
    children = [child.network.architecture for child in propose(base_network(), 0, setting)]
    graphs = [base_network().architecture, *children]
    costs = [[g.parameters, ram(g, Stored.INT8), own.milliseconds(g)] for g in graphs]
    expected = np.log2(np.array(costs) / costs[0]) @ weights
    price = [row["price"] for row in found.particles[: len(graphs)]]
    np.testing.assert_allclose(price, expected, atol=1e-12)
    assert expected.any()


def test_a_price_of_latency_needs_a_table() -> None:
    with pytest.raises(ValueError, match="latency_weight: the round got no table"):
        run_round(base_network(), 0, _nasgd(latency_weight=0.1), lambda *_: None)


def test_a_round_in_which_nothing_can_lead_ends(folder: Path) -> None:
    same = dict.fromkeys(MORPHISMS, 0.0) | {"widen": 1.0}
    still = {"lambda_start": 1e-30, "lambda_final": 0.0, "morphisms": same}
    out = run(folder, "stuck", 1, max_steps=55, **still)
    status = json.loads((out / "status.json").read_text())
    assert (status["reason"], status["steps"], status["winner"]) == ("max_steps", 55, 0)


def _nasgd(**own: Any) -> Setting:
    return setting_of(**own)._replace(algorithm=Algorithm.NASGD)


def test_nasgd_keeps_to_the_epochs_that_are_left() -> None:
    found = run_round(base_network(), 0, _nasgd(limits=Limits(network_steps=45.0)), lambda *_: None)
    assert (found.reason, found.steps, found.network_steps) == ("budget", 5, 45)


def test_without_entropy_particles_go_by_losses_alone() -> None:
    found = run_round(base_network(), 0, _nasgd(potential="none", max_steps=60), lambda *_: None)
    assert len(found.particles) == 60 * len(found.architectures)
    assert all(row["energy"] == row["validation_loss"] for row in found.particles)
    assert any(row["moved"] for row in found.particles)


@pytest.mark.parametrize("algorithm", ["nasgd", "nasagd"])
@pytest.mark.parametrize("potential", ["power", "log", "none"])
def test_every_row_is_one_instant(folder: Path, algorithm: str, potential: str) -> None:
    """E = w U'(f) + V + price + kinetic + trend holds in every row, also once particles move."""
    eager = {"warmup_steps": 10, "confidence": 1.0, "min_lead": 0.0, "beta": 1.5}
    more = eager | {"second_order": {"kinetic": True, "restart": "never"}, "size_weight": 1e-4}
    out = run(folder, f"i {algorithm} {potential}", 1, algorithm, potential=potential, **more)
    table = read_table(out / TABLES[0]).to_pandas()
    assert table[table.step > 10].moved.sum() > 0, "particles move after the warm-up"
    slope = flow.potential(table.share.to_numpy(), potential, 1.5)
    energy = table.weight * slope + table.validation_loss + table.price + table.kinetic
    assert not table.trend.any(), "children of a centre have no forecast"
    np.testing.assert_allclose(table.energy, energy, rtol=1e-12)
    assert table.kinetic.any() == (algorithm == "nasagd") and table.price.any()
    total = table[table.step == 1]["count"].sum()
    np.testing.assert_array_equal(table.share, table["count"] / total)
    for step in range(1, int(table.step.max())):  # what a step leaves is what the next one finds
        left = table[table.step == step].count_after.to_numpy()
        np.testing.assert_array_equal(left, table[table.step == step + 1]["count"].to_numpy())


EAGER = {"warmup_steps": 2, "confidence": 0.01, "min_lead": 0.0, "mobility": 1.0, "max_steps": 20}


def _portfolio(part: float = 0.5, forecast: float = 1.0, **own: Any) -> tuple[Setting, Round]:
    setting = portfolios.setting(Algorithm.NASGD, part=part, **EAGER | own)
    setting = setting._replace(forecast=forecast)
    return setting, run_round(portfolios.parent(setting), 30, setting, lambda *_: None)


SLOW = {"mobility": 1e-6}  # no particle moves, so that the round ends by its time alone


@pytest.mark.parametrize(("part", "first"), [(0.5, 5), (0.2, 3), (1.0, 10)])
def test_particles_of_a_portfolio_stand_still_for_half_of_their_part(
    part: float, first: int
) -> None:
    """Of 20 steps; the warm-up of two steps counts, too."""
    setting, found = _portfolio(part)
    assert [row["morphism"] for row in found.architectures] == portfolios.names_of(setting)
    moving = {row["step"] for row in found.particles if row["moved"]}
    assert min(moving) == first


def test_particles_of_a_portfolio_wait_for_their_part_of_a_smaller_budget() -> None:
    for part, first in ((0.75, 3), (1.0, 4)):
        _, found = _portfolio(part, limits=Limits(network_steps=4 * 8.0))
        assert min(row["step"] for row in found.particles if row["moved"]) == first
        assert first <= found.steps <= 8


@pytest.mark.parametrize("part", [0.25, 1.0])
def test_the_best_network_of_a_portfolio_goes_on_when_the_time_is_over(part: float) -> None:
    """The first network has not earned to be the centre: no lead is asked for."""
    _, found = _portfolio(part, **SLOW)
    losses = [float(row["validation_loss"] or 0.0) for row in found.architectures]
    assert found.steps == part * 20
    assert found.winner == int(np.argmin(losses))
    assert found.reason == (RoundEnd.RECENTRED if found.winner else RoundEnd.KEPT)


def test_particles_of_a_portfolio_go_by_the_forecast() -> None:
    """It enters the energy, and the network that it favours goes on."""
    _, found = _portfolio(1.0, forecast=4.0, max_steps=30, retire=5.0, **SLOW)
    table = pd.DataFrame(found.particles)
    energy = table.weight * flow.potential(table.share.to_numpy(), "power", 1.0)
    energy += table.validation_loss + table.trend
    np.testing.assert_allclose(table.energy, energy, rtol=1e-12)
    early, late = table[table.step < FEWEST], table[(table.step >= FEWEST) & (table.node > 0)]
    assert not early.trend.any() and late[late.step == FEWEST].trend.all()
    last = table[table.step == found.steps].set_index("node")
    left = [row["node"] for row in found.architectures if row["died_of"] is None]
    assert found.winner == int((last.validation_loss + last.trend).loc[left].idxmin())


def test_the_network_with_the_lowest_predicted_loss_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A network that is worse now and predicted to be the best one wins, and none retires it."""
    told = Forecast(np.array([0.0, 0.1, -2.0, 0.1]), np.array([0.0, 0.1, 0.1, 0.1]))
    monkeypatch.setattr("nasflow.search.round_course.forecast", lambda *_: told)
    _, found = _portfolio(1.0, forecast=2.0, max_steps=30, retire=5.0, **SLOW)
    losses = [float(row["validation_loss"] or 0.0) for row in found.architectures]
    assert found.winner == 2 and losses[2] > losses[0]
    assert found.reason == RoundEnd.RECENTRED


def test_a_network_of_the_portfolio_can_win_and_is_rebuilt() -> None:
    setting, found = _portfolio(max_steps=200, part=0.2)
    assert found.reason == "recentred" and found.winner
    won = found.architectures[found.winner]
    assert won["morphism"] == setting.portfolio[found.winner] and won["winner"]
    first = portfolios.parent(setting).architecture
    g = offspring(first, won["morphism"], won["site"], won["fingerprint"])
    assert g == found.network.architecture
    assert (found.k, found.network_steps) == (30 + found.steps, 4 * found.steps)


def test_a_round_of_equal_flops_counts_the_steps_of_each_network() -> None:
    """The global step goes on by the steps of the winner, of which cheap networks make more."""
    _, found = _portfolio(max_steps=200, part=0.1, equal="flops")
    turns = Turns(4, np.array([float(row["flops"]) for row in found.architectures]))
    for _ in range(found.steps):
        turns.next()
    assert turns.made.max() > turns.made.min() == found.steps
    assert found.network_steps == turns.made.sum()
    assert found.k == 30 + turns.made[found.winner]
    assert len(found.particles) == 4 * found.steps


def test_a_round_of_equal_seconds_runs(folder: Path) -> None:
    out = run(folder, "s", 1, equal="seconds", max_steps=15)
    status = json.loads((out / "status.json").read_text())
    assert status["steps"] == 15 and status["network_steps"] >= 15 * 6
