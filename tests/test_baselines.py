"""The baselines: what each promises, and that equal budgets are equal."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from cases import network as random_network
from hypothesis import given
from hypothesis import strategies as st
from snakemake.utils import update_config

from nasflow.architecture.architecture import chain
from nasflow.config import experiment as config
from nasflow.config.compare import names
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import Network, initialise
from nasflow.records import curves
from nasflow.search import ageing, allowance, baselines
from nasflow.search import budget as plan
from nasflow.search.children import propose, starts
from nasflow.search.particle_round import run_round
from nasflow.search.round import Limits, Round, Setting
from nasflow.search.rung import Rung, ranked
from nasflow.storage.files import write_json
from nasflow.storage.tables import ARCHITECTURES, PARTICLES, write_table
from nasflow.training import optim
from nasflow.training.batches import Batches, Split
from nasflow.training.schedule import cosine
from nasflow.training.siblings import Siblings
from nasflow.training.train import train

STEPS = 6  # two epochs of 192 images by 64


def _split(count: int, seed: int, labels: int = 3) -> Split:
    rng = np.random.default_rng(seed)
    y = np.arange(count) % labels
    images = rng.integers(0, 120, (count, 8, 8, 1)) + 60 * y[:, None, None, None]
    mean, std = torch.tensor([0.4]), torch.tensor([0.2])
    return Split(torch.tensor(images.astype(np.uint8)), torch.tensor(y), mean, std)


def _setting(seed: int = 0, number: int = 1, limits: Limits | None = None, **own: Any) -> Setting:
    search = config.plain(config.Search(constraints=config.Constraints(max_filters=16)))
    options = config.plain(config.Baselines(epochs_neigh=2.0, n_morphisms=2))
    return Setting(
        "nash",
        search | options | own,
        {"flip": False, "shift": 1},
        _split(192, 1),
        _split(90, 2),
        seed=seed,
        number=number,
        workers=1,
        limits=limits or Limits(),
    )


def _parent() -> Network:
    return initialise(chain((4, 4, 8), 3, (1, 8, 8), 3), np.random.default_rng(0))


def _run(algorithm: str, setting: Setting, k: int = 0) -> Round:
    return baselines.ROUNDS[algorithm](_parent(), k, setting, lambda *_: None)


def _scored(found: Round) -> dict[int, float]:
    rows = found.architectures
    return {r["node"]: r["validation_accuracy"] for r in rows if r["validation_loss"] is not None}


@pytest.mark.parametrize("algorithm", ["nash", "nasgraph"])
def test_nash_picks_the_most_accurate_of_its_children_and_the_parent(algorithm: str) -> None:
    for seed in range(4):
        found = _run(algorithm, _setting(seed))
        scores = _scored(found)
        assert len(scores) == 8
        assert scores[found.winner] == max(scores.values()) == found.validation_accuracy
        best = [r for r in found.architectures if scores[r["node"]] == max(scores.values())]
        assert found.validation_loss == min(row["validation_loss"] for row in best)
        assert found.reason == ("recentred" if found.winner else "kept")


def test_each_network_of_nash_trains_alone_by_a_cosine_of_its_round() -> None:
    """Its siblings change nothing: the winner is what a plain loop makes of that child."""
    setting, k = _setting(3), 30
    found = _run("nash", setting, k)
    search = setting.search
    options = setting._replace(search=search | {"n_neigh": 7})
    start = starts(_parent(), propose(_parent(), k, options), options)[found.winner]
    batches = Batches(setting.train, 64, "train", (3,), **setting.augment)
    step = optim.heavy_ball(friction=1.0, weight_decay=0.0)
    start = start._replace(v={n: t * 0 for n, t in start.v.items()})
    with Siblings([start], step) as live:
        for j in range(STEPS):
            live.step([batches(k + j)], None, cosine(j, STEPS, 0.05, 0.0))
        alone = live.network(0)
    assert all(torch.equal(alone.x[n], t) for n, t in found.network.x.items())
    assert (found.steps, found.k, found.network_steps) == (STEPS, k + STEPS, 8 * STEPS)


def test_random_draws_uniformly_and_trains_that_child_alone() -> None:
    draws = Counter(baselines.drawn(7, seed, round) for seed in range(70) for round in range(100))
    expected = 7000 / 7
    chi = sum((draws[i] - expected) ** 2 / expected for i in range(7))
    assert chi < 22.5  # 0.999 of chi^2 with 6 degrees of freedom
    found = _run("random", _setting(5))
    assert {row["node"] for row in found.particles} == {1}
    assert (found.network_steps, found.winner, found.reason) == (STEPS, 1, "recentred")


def test_randoms_draw_is_blind_to_all_losses() -> None:
    """Other labels, other losses, the same child."""
    setting = _setting(5)
    other = setting._replace(train=_relabelled(setting.train))
    a, b = _run("random", setting), _run("random", other)
    assert a.validation_loss != b.validation_loss
    assert a.network.architecture == b.network.architecture


def _relabelled(split: Split) -> Split:
    return Split(split.images, split.labels.flip(0), split.mean, split.std)


@given(st.integers(2, 200), st.integers(2, 5))
def test_rungs_end_with_one_and_keep_one_in_eta(networks: int, eta: int) -> None:
    sizes = [*baselines.rungs(networks, eta), 1]
    assert sizes[0] == networks
    assert all(b == max(1, a // eta) for a, b in pairwise(sizes))


@given(st.lists(st.tuples(st.floats(0, 9) | st.just(math.nan), st.floats(0, 1)), min_size=1))
def test_ranking_goes_by_accuracy_then_loss_and_puts_the_diverged_last(
    scores: list[tuple[float, float]],
) -> None:
    order = [scores[node] for node in ranked(dict(enumerate(scores)))]
    finite = [score for score in order if math.isfinite(score[0])]
    assert order[: len(finite)] == finite
    assert finite == sorted(finite, key=lambda score: (-score[1], score[0]))


def test_halving_keeps_the_best_half_of_every_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Rung] = []
    train = baselines.train_rung

    def spy(*arguments: Any, **options: Any) -> Rung:
        seen.append(train(*arguments, **options))
        return seen[-1]

    monkeypatch.setattr(baselines, "train_rung", spy)
    found = _run("halving", _setting(1))
    assert [len(rung.scores) for rung in seen] == [8, 4, 2]
    for before, after in pairwise(seen):
        out = set(before.scores) - set(after.scores)
        worst = min(before.scores[node][1] for node in after.scores)
        assert all(before.scores[node][1] <= worst for node in out)
    assert found.winner == ranked(seen[-1].scores)[0]
    assert seen[2].steps == 2 * seen[1].steps == 4 * seen[0].steps
    assert found.network_steps == pytest.approx(8 * STEPS, rel=0.05)  # NASH's price
    rows = Counter(row["node"] for row in found.particles)
    assert max(rows.values()) == found.steps == rows[found.winner]


def test_ageing_counts_layers_to_the_nearest_new_one() -> None:
    """conv1 - pool - conv3 - pool - conv5 - head; a convolution comes behind conv3."""
    parent = _parent()
    child = MORPHISMS["deepen"].apply(parent, (3, 3), np.random.default_rng(0))
    g = child.architecture
    new = g.next_id - 1
    assert ageing.newest(parent.architecture, g) == {new}
    assert ageing.distances(g, frozenset({new})) == {
        0: 2,
        1: 2,
        2: 1,
        3: 1,
        4: 0,
        5: 1,
        new: 0,
        6: 2,
    }
    gains = ageing.gains(parent.architecture, g, 2.0)
    assert gains[f"{new}.weight"] == 1.0
    assert gains["3.weight"] == gains["5.scale"] == pytest.approx(math.exp(-1 / 8))
    assert gains["1.weight"] == gains["6.bias"] == pytest.approx(math.exp(-4 / 8))


@pytest.mark.parametrize("seed", range(6))
def test_every_child_has_a_newest_layer_and_its_gains_fade_from_it(seed: int) -> None:
    parent = random_network(seed, 3)
    rng = np.random.default_rng(seed)
    for name, morphism in MORPHISMS.items():
        for site in list(morphism.sites(parent.architecture))[:2]:
            try:
                g = morphism.apply(parent, site, rng).architecture
            except ValueError:
                continue
            gains = ageing.gains(parent.architecture, g, 1.5)
            assert set(gains) == set(g.tensors), name
            assert ageing.newest(parent.architecture, g), name
            assert all(0.0 < gain <= 1.0 for gain in gains.values())
    same = ageing.gains(parent.architecture, parent.architecture, 1.5)
    assert set(same.values()) == {1.0}


def test_ageing_slows_old_layers_and_leaves_the_newest_ones_gradient_as_it_is() -> None:
    setting = _setting()
    parent = _parent()
    child = MORPHISMS["deepen"].apply(parent, (3, 3), np.random.default_rng(0))
    gains = ageing.gains(parent.architecture, child.architecture, 1.0)
    batch = Batches(setting.train, 64, "train", (0,))(0)
    step = optim.heavy_ball(friction=1.0, weight_decay=0.0)
    after = []
    for options in ({}, {"gains": [gains]}):
        with Siblings([child], step, **options) as live:
            live.step([batch], None, 0.1)
            after.append(live.network(0).v)
    plain, aged = after
    for name, v in aged.items():
        torch.testing.assert_close(v, plain[name] * gains[name])
    new = f"{child.architecture.next_id - 1}.weight"
    assert torch.equal(aged[new], plain[new])
    assert float(aged["1.weight"].norm()) < 0.2 * float(plain["1.weight"].norm())


def test_nasgraph_without_ageing_is_nash() -> None:
    nash, flat = (_run(a, _setting(2, ageing=1e6)) for a in ("nash", "nasgraph"))
    aged = _run("nasgraph", _setting(2, ageing=0.5))
    assert nash.architectures == flat.architectures
    assert nash.particles != aged.particles


@pytest.mark.parametrize("algorithm", baselines.ROUNDS)
@pytest.mark.parametrize("left", [1.0, 20.0, 37.0])
def test_a_round_keeps_to_the_epochs_that_are_left(algorithm: str, left: float) -> None:
    found = _run(algorithm, _setting(0, limits=Limits(network_steps=left)))
    assert found.network_steps <= max(left + 4, 14)  # a step of every network at least
    assert sum(1 for _ in found.particles) == found.network_steps
    late = _run(algorithm, _setting(0, limits=Limits(seconds=0.0)))
    assert late.steps == 1


def test_nasgd_keeps_to_the_epochs_that_are_left() -> None:
    found = run_round(_parent(), 0, _setting(limits=Limits(network_steps=45.0)), lambda *_: None)
    assert (found.reason, found.steps, found.network_steps) == ("budget", 5, 45)


@pytest.mark.parametrize("algorithm", baselines.ROUNDS)
def test_records_have_the_columns_of_every_search(algorithm: str) -> None:
    found = _run(algorithm, _setting(4))
    assert set(found.particles[0]) == set(PARTICLES.names)
    assert set(found.architectures[0]) == set(ARCHITECTURES.names)
    assert [row["winner"] for row in found.architectures].index(True) == found.winner
    child = found.architectures[found.winner]
    assert child["fingerprint"] == found.network.architecture.fingerprint


@pytest.mark.parametrize("algorithm", baselines.ROUNDS)
def test_where_no_child_is_legal_the_parent_stays(algorithm: str) -> None:
    constraints = config.plain(config.Constraints(max_parameters=1))
    found = _run(algorithm, _setting(constraints=constraints))
    assert (found.reason, found.steps, found.winner) == ("exhausted", 0, 0)
    assert len(found.architectures) == 1


def test_where_all_networks_diverge_the_parent_stays() -> None:
    setting = _setting(lambda_start=10.0, lambda_final=10.0, friction=100.0, epochs_neigh=20.0)
    found = _run("nash", setting)
    assert (found.reason, found.winner) == ("diverged", 0)
    assert all(row["died_at"] for row in found.architectures)
    x = _parent().x
    assert all(torch.equal(t, x[name]) for name, t in found.network.x.items())


def test_fresh_weights_know_nothing_of_the_parents() -> None:
    """Two parents of one architecture give the same fresh family, and differ where inherited."""
    setting = _setting(weights="fresh")
    a, b = _parent(), initialise(_parent().architecture, np.random.default_rng(1))
    families = [starts(p, propose(p, 0, setting), setting) for p in (a, b)]
    for one, two in zip(*families, strict=True):
        assert all(torch.equal(one.x[n], two.x[n]) for n in one.x)
    inherited = starts(a, propose(a, 0, setting), _setting())
    assert torch.equal(inherited[0].x["1.weight"], a.x["1.weight"])


def test_without_entropy_particles_go_by_losses_alone() -> None:
    found = run_round(_parent(), 0, _setting(potential="none", max_steps=60), lambda *_: None)
    assert all(row["energy"] == row["validation_loss"] for row in found.particles)
    assert any(row["moved"] for row in found.particles)


def test_none_has_no_rounds_and_the_whole_budget() -> None:
    budget = config.Budget(rounds=3)
    assert not plan.rounds_wanted("none", budget)
    assert plan.rounds_wanted("nasgd-log", budget)
    assert not plan.rounds_wanted("nash", config.Budget(rounds=0))


def test_the_final_training_has_what_is_left_of_a_total() -> None:
    final = config.plain(config.Final(epochs=None, total_epochs=50.0, batch_size=64))
    assert allowance.left(final, {"epochs": 10.0}, 192)["epochs"] == 40.0
    assert allowance.left(final, {"epochs": 60.0}, 192)["epochs"] == pytest.approx(1 / 3)
    final = config.plain(config.Final(epochs=None, total_seconds=50.0))
    assert allowance.left(final, {"seconds": 20.0}, 192)["seconds"] == 30.0


@pytest.mark.parametrize("slower", [1.0, 3.0])
def test_a_training_by_seconds_ends_with_them_and_its_cosine_however_fast_steps_are(
    slower: float,
) -> None:
    """Steps of a second, from the eleventh on of `slower` ones."""
    passed = iter(np.cumsum([0.0, *[1.0] * 10, *[slower] * 200]))
    _, rows, facts = _train(40.0, lambda: float(next(passed)))
    assert facts["steps"] == 10 + 30 / slower
    shares = [*np.arange(11) / 40, *(10 + slower * np.arange(1, 30 / slower)) / 40]
    taus = [cosine(share, 1.0, 0.05, 0.0) for share in shares]
    assert np.allclose([row["tau"] for row in rows], taus)
    assert sum(row["validation_loss"] is not None for row in rows) == 10
    assert rows[-1]["validation_loss"] is not None


def test_a_training_without_a_second_left_has_one_step() -> None:
    for seconds in (-3.0, 0.0):
        assert _train(seconds, iter(range(9)).__next__)[2]["steps"] == 1


def _train(seconds: float, clock: Callable[[], float]) -> Any:
    stage = config.plain(config.Final(batch_size=64, lambda_start=0.05, lambda_final=0.0))
    given = {"purpose": "final", "seed": 0, "workers": 1, "progress": lambda *_: None}
    stage |= {"seconds": seconds, "shards": 1}
    augment = {"flip": False, "shift": 1}
    return train(_parent(), _split(192, 1), _split(90, 2), stage, augment, clock=clock, **given)  # type: ignore[arg-type]


def test_an_ablation_is_the_algorithm_with_other_options() -> None:
    raw = {
        "compare": {"ablations": {"few": {"search": {"particles": 7, "morphisms": {"widen": 0}}}}}
    }
    experiment = config.parse(config.Experiment, raw | {"budget": {"rounds": 1}})
    own, plain = experiment.variant("nasgd-few").search, experiment.variant("nasgd").search
    assert (own.particles, plain.particles) == (7, 1000)
    assert own.morphisms == {**plain.morphisms, "widen": 0.0}
    assert experiment.variant("nash") == experiment


@pytest.mark.parametrize(("over", "left"), [(None, []), ({"few": None}, ["nasgd-star"])])
def test_a_file_over_another_takes_ablations_out(over: Any, left: list[str]) -> None:
    ablations = {"few": {"search": {"particles": 7}}, "star": {"search": {"graph": "star"}}}
    raw = {"budget": {"rounds": 1}, "compare": {"ablations": ablations}}
    update_config(raw, {"compare": {"ablations": over}})
    assert names(config.parse(config.Experiment, raw).compare) == left


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        (
            {"ablations": {"x": {"search": {"partikles": 7}}}},
            "compare.ablations.x.search.partikles",
        ),
        ({"ablations": {"x": {"final": {}}}}, "compare.ablations.x: {'final': {}}; expected"),
        ({"ablations": {"a-b": {}}}, "expected names matching"),
        ({"of": "nasdg"}, "compare.of: 'nasdg'; expected one of nasgd"),
    ],
)
def test_a_wrong_ablation_is_refused(compare: dict[str, Any], message: str) -> None:
    with pytest.raises(config.ConfigError) as error:
        config.parse(config.Experiment, {"budget": {"rounds": 1}, "compare": compare})
    assert message in str(error.value)


def test_mlflow_takes_the_names_of_children_by_many_morphisms() -> None:
    rows = {"node": [0, 1, 2], "morphism": ["", "widen+deepen", "+".join(["connect_concat"] * 90)]}
    names = curves.sibling_names(pa.table(rows))
    assert names[1] == "1 widen deepen"
    assert names[2].endswith(" and 85 more")
    assert all(re.fullmatch(r"[\w ./:-]{1,200}", name) for name in names.values())


@pytest.mark.parametrize("algorithm", baselines.ROUNDS)
def test_a_mirror_shows_the_training_of_every_network(algorithm: str, tmp_path: Path) -> None:
    found = _run(algorithm, _setting(4))
    tables = {"particles.parquet": found.particles, "architectures.parquet": found.architectures}
    files = {name: write_table(tmp_path / name, rows) for name, rows in tables.items()}
    status = {"started": 0.0, "seconds": 1.0, "steps": found.steps, "files": files}
    write_json(tmp_path / "status.json", status)
    keys = {point.key for point in curves.of_round(tmp_path)}
    nodes = {row["node"] for row in found.particles}
    assert len([key for key in keys if key.startswith("train_loss/")]) == len(nodes)
    assert not [key for key in keys if key.startswith(("share/", "energy/", "phi/"))]
