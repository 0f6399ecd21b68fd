"""Training and rounds: the formulas of D.1, and bytes that do not depend on workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from rounds import BUDGET, RESULTS, TABLES, prepare, run
from snakemake.utils import update_config

from nasflow.architecture.architecture import chain
from nasflow.config import experiment as config
from nasflow.network.morphisms import MORPHISMS
from nasflow.network.network import initialise
from nasflow.randomness import generator
from nasflow.search.budget import finished
from nasflow.search.neighbourhood import legal, sample
from nasflow.search.proposal import descent_rate, steepest
from nasflow.stages import training
from nasflow.storage.checkpoint import read_checkpoint, write_checkpoint
from nasflow.storage.files import CorruptFile, read_json, write_json
from nasflow.storage.manifest import copy_checkpoint
from nasflow.storage.splits import read_split
from nasflow.storage.tables import read_table, write_table
from nasflow.training import optim
from nasflow.training.batches import Batches, Split
from nasflow.training.schedule import sgdr


def test_heavy_ball_is_the_papers_step() -> None:
    x, v, g = (torch.tensor([a]) for a in (1.0, 0.5, 2.0))
    optim.heavy_ball(friction=1.0, weight_decay=0.0)([x], [v], [g], 0.1)
    assert x.item() == pytest.approx(1.0 + 0.1 * 0.5)
    assert v.item() == pytest.approx(0.5 - 0.1 * (0.5 + 2.0))


def test_nesterov_is_torchs() -> None:
    mine, v = torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2)
    theirs = torch.nn.Parameter(mine.clone())
    sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    step = optim.nesterov(momentum=0.9, weight_decay=0.01)
    for i in range(5):
        theirs.grad = torch.full((1, 2), float(i))
        sgd.step()
        step([mine], [v], [torch.full((1, 2), float(i))], 0.1)
    torch.testing.assert_close(mine, theirs.data)


def test_the_clock_restarts_each_cycle_and_not_each_round() -> None:
    assert sgdr(0, 10, 0.5, 0.1) == 0.5
    assert sgdr(5, 10, 0.5, 0.1) == pytest.approx(0.3)
    assert sgdr(9, 10, 0.5, 0.1) < 0.13
    assert sgdr(10, 10, 0.5, 0.1) == 0.5


def test_batches_are_replayable_cover_an_epoch_and_shift_by_pixels() -> None:
    images = torch.arange(20 * 16).reshape(20, 4, 4, 1).remainder(256).to(torch.uint8)
    split = Split(images, torch.arange(20), torch.zeros(1), torch.ones(1))
    a, b = (Batches(split, 5, "train", (1,), flip=True, shift=1) for _ in range(2))
    ahead = a(7)
    seen = torch.cat([b(i)[1] for i in range(4)])
    assert sorted(seen.tolist()) == list(range(20))
    assert torch.equal(b(7)[0], ahead[0])
    still = Batches(split, 5, "train", (1,))
    image, label = still(0)
    assert torch.equal(image[0, 0] * 255, images[label[0], :, :, 0].float())
    moved = Batches(split, 5, "train", (1,), shift=1)(0)[0]
    padded = torch.nn.functional.pad(image[0, 0], (1, 1, 1, 1))
    windows = [padded[i : i + 4, j : j + 4] for i in range(3) for j in range(3)]
    assert any(torch.equal(moved[0, 0], w) for w in windows)


def test_orthogonal_brings_all_singular_values_near_one() -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in ((8, 27), (40, 9), (16, 16)):
        values = torch.linalg.svdvals(optim.orthogonal(torch.randn(shape, generator=draw)))
        assert 0.6 < values.min() <= values.max() < 1.3


def test_orthogonal_takes_the_printed_steps() -> None:
    draw = torch.Generator().manual_seed(0)
    for shape in ((8, 27), (40, 9), (16, 16)):
        matrix = torch.randn(shape, generator=draw, dtype=torch.float64)
        X = matrix / matrix.norm()
        for _ in range(5):  # a = 3.4445, b = -4.7750, c = 2.0315
            A = X @ X.T
            X = 3.4445 * X - 4.7750 * A @ X + 2.0315 * A @ A @ X
        torch.testing.assert_close(optim.orthogonal(matrix), X, rtol=0, atol=1e-6)


def test_muons_step_is_relative_to_a_kernel_and_keeps_its_size() -> None:
    x, bias = torch.randn(6, 4, 3, 3), torch.ones(6)
    gradient = [torch.randn(6, 4, 3, 3), torch.ones(6)]
    before, v = [x.clone(), bias.clone()], [torch.zeros_like(x), torch.zeros(6)]
    optim.muon(momentum=0.5, weight_decay=0.0)([x, bias], v, gradient, 0.1)
    assert x.norm() == pytest.approx(before[0].norm().item(), rel=1e-5)
    assert (x - before[0]).norm() / x.norm() == pytest.approx(0.1, rel=0.1)
    assert ((before[0] - x) * gradient[0]).sum() > 0.0
    torch.testing.assert_close(bias, before[1] - 0.1 * 1.5)


def test_alternating_flip_shows_both_sides_of_every_image_in_two_epochs() -> None:
    images = torch.arange(12, dtype=torch.uint8).reshape(6, 1, 2, 1)
    split = Split(images, torch.arange(6), torch.zeros(1), torch.ones(1))
    stream = Batches(split, 3, "final", (0,), flip=True, alternate=True)
    seen: dict[int, list[bool]] = {i: [] for i in range(6)}
    for step in range(4):
        for image, label in zip(*stream(step), strict=True):
            seen[int(label)].append(bool(image[0, 0, 0] > image[0, 0, 1]))
    assert all(sorted(sides) == [False, True] for sides in seen.values())
    assert len({tuple(sides) for sides in seen.values()}) == 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepare(tmp_path)


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("nasgd", {"validation": "paired"}),
        ("nasgd", {"validation": "independent"}),
        ("nasagd", {"second_order": {"kinetic": True}}),
        ("nasgd", {"proposal": "gradient", "n_morphisms": 2}),
        ("nasgd", {"weights": "fresh", "potential": "none"}),
        ("nash", {}),
        ("nasgraph", {}),
        ("random", {}),
        ("halving", {}),
    ],
)
def test_a_round_gives_the_same_bytes_for_any_number_of_workers(
    folder: Path, algorithm: str, options: dict[str, object]
) -> None:
    one = run(folder, "one", 1, algorithm, **options)
    three = run(folder, "three", 3, algorithm, **options)
    for name in RESULTS + TABLES:
        assert (one / name).read_bytes() == (three / name).read_bytes(), name


def test_paired_siblings_start_exactly_equal_and_independent_ones_do_not(folder: Path) -> None:
    positive = dict.fromkeys(config.MORPHISMS, 0.0) | {"widen": 1.0, "enlarge_kernel": 1.0}
    paired = read_table(run(folder, "p", 1, morphisms=positive) / TABLES[0]).to_pandas()
    other = run(folder, "i", 1, morphisms=positive, validation="independent")
    independent = read_table(other / TABLES[0]).to_pandas()
    first = paired[paired.step == 1].train_loss
    assert first.max() - first.min() < 1e-5
    first = independent[independent.step == 1].train_loss
    assert first.max() - first.min() > 1e-3


def test_records_tell_one_story(folder: Path) -> None:
    out = run(folder, "r", 1)
    status = json.loads((out / "status.json").read_text())
    particles = read_table(out / "particles.parquet").to_pandas()
    children = read_table(out / "architectures.parquet").to_pandas()
    assert len(particles) == status["steps"] * (status["children"] + 1)
    assert (particles.groupby("step")["count"].sum() == 1000 + status["children"]).all()
    before = particles[particles.step <= 50]
    assert (before[before.node == 0]["count"] == 1000).all()  # the warm-up
    last = particles[particles.step == status["steps"]].set_index("node")
    assert (last["count"].to_numpy() == children["count"].to_numpy()).all()
    assert children[children.winner].fingerprint.item() == status["fingerprint"]
    assert read_checkpoint(out / "winner").k == status["k"] == status["steps"]


def test_children_report_how_far_they_are_from_their_parent(folder: Path) -> None:
    """Positive morphisms: nothing in eval mode, little in train mode; negative ones: a jump."""
    out = run(folder, "c", 1, n_neigh=20)
    rows = read_table(out / "architectures.parquet").to_pandas().set_index("morphism")
    positive = rows[[name in MORPHISMS and MORPHISMS[name].preserves for name in rows.index]]
    assert (positive.output_change < 1e-4).all()
    assert (positive.train_change < 0.5).all()
    assert (positive.drop("deepen", errors="ignore").train_change < 1e-4).all()
    negative = rows.drop(positive.index).drop("")
    assert len(negative)
    assert (negative.output_change > 0.01).all()


def test_the_budget_ends_a_round_and_the_parent_stays(folder: Path) -> None:
    status = json.loads((run(folder, "b", 1, budget={"steps": 7}) / "status.json").read_text())
    assert (status["reason"], status["steps"], status["winner"]) == ("budget", 7, 0)


def test_papers_constants_move_fewer_particles_than_auto(folder: Path) -> None:
    """Design of the scales: with kappa = 1 and tau <= 0.05 next to nothing moves."""
    paper = read_table(run(folder, "x", 1, scaling="paper") / TABLES[0]).to_pandas()
    auto = read_table(run(folder, "y", 1) / TABLES[0]).to_pandas()
    assert paper.moved.sum() < auto.moved.sum()


def test_the_second_order_has_a_potential_that_starts_at_zero(folder: Path) -> None:
    """phi is 0 through the warm-up and the first move; then E pushes it down everywhere."""
    first = read_table(run(folder, "1st", 1) / TABLES[0]).to_pandas()
    assert not first.phi.any()
    second = read_table(run(folder, "2nd", 1, "nasagd") / TABLES[0]).to_pandas()
    assert not second[second.step <= 50].phi.any()
    after = second[(second.step == 51) & ~second.restarted]
    assert (after.phi < 0).all()
    assert second[second.step == 51].moved.sum() == 0
    assert second[second.step > 51].moved.sum() > 0
    assert not second[second.restarted].phi.any()


def test_a_round_averages_anew_after_its_burn_in(folder: Path) -> None:
    """Nothing differs before; the first mean after it is the loss of that step alone."""
    window = config.Search().window
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
    assert finished(config.parse(config.Budget, BUDGET), status["totals"]) == "children"
    before = read_checkpoint(folder / "pretrain/network")
    after = read_checkpoint(out / "winner")
    assert after.k == before.k
    assert all(torch.equal(before.network.x[n], t) for n, t in after.network.x.items())


def test_half_the_parameters_are_worth_size_weight(folder: Path) -> None:
    shrink = dict.fromkeys(config.MORPHISMS, 0.0) | {"narrow": 1.0}
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


def test_the_gradient_proposal_keeps_the_steepest(folder: Path) -> None:
    grow = dict.fromkeys(config.MORPHISMS, 0.0) | {"deepen": 1.0, "widen": 1.0}
    parent = read_checkpoint(folder / "pretrain/network").network
    rng = np.random.default_rng(0)
    constraints = config.plain(config.Constraints())
    candidates = sample(parent, 8, morphisms=grow, constraints=constraints, rng=rng)
    batch = read_split(folder / "data", "train", "cpu").chunk(0, 64)
    kept = steepest(candidates, 3, *batch)
    rates = {id(c): descent_rate(c.network, *batch) for c in candidates}
    left = [c for c in candidates if c not in kept]
    assert min(rates[id(c)] for c in kept) >= max(rates[id(c)] for c in left)
    assert all(rate >= descent_rate(parent, *batch) * 0.9 for rate in rates.values())


def test_pretraining_can_start_from_a_checkpoint_that_fits(folder: Path) -> None:
    given = {
        "data": folder / "data", "seed": 1, "device": "cpu", "threads": 1
    }  # fmt: skip
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


def test_a_diverging_search_says_which_key_to_lower(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(folder, "d", 1, lambda_start=10.0, lambda_final=10.0, friction=100.0)
    assert json.loads((out / "status.json").read_text())["reason"] == "diverged"
    assert "search.lambda_start" in capsys.readouterr().err


def test_a_round_of_nash_that_the_budget_cuts_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = run(folder, "cut", 1, "nash", budget={"steps": 3})
    assert read_json(cut / "status.json")["steps"] == 3
    assert "ended by the budget after 3 of " in capsys.readouterr().err
    whole = run(folder, "whole", 1, "nash")
    assert read_json(whole / "status.json")["steps"] > 3
    assert "budget" not in capsys.readouterr().err


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


def test_a_flipped_bit_in_a_table_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    row = {"epoch": 0.1, "tau": 0.1, "train_loss": 1.0}
    write_table(path, [{"step": i, **row} for i in range(100)])
    clean = bytearray(path.read_bytes())
    for position in range(20, 60, 7):
        damaged = clean.copy()
        damaged[position] ^= 4
        path.write_bytes(damaged)
        with pytest.raises(CorruptFile):
            read_table(path)


def test_search_jobs_import_neither_torchvision_nor_mlflow_nor_pandas() -> None:
    code = (
        "import sys, nasflow.stages.rounds, nasflow.stages.training; "
        "print([m for m in ('torchvision', 'mlflow', 'pandas', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["config", "cifar10", "cifar10_cpu", "prune"])
def test_every_shipped_config_leaves_room_above_its_base_net(name: str) -> None:
    """Files lie over config.yaml, so a bound of the default must not bind a larger experiment."""
    folder = Path(__file__).parents[1] / "config"
    merged = yaml.safe_load((folder / "config.yaml").read_text())
    update_config(merged, yaml.safe_load((folder / f"{name}.yaml").read_text()))
    experiment = config.parse(config.Experiment, merged)
    widest = max(experiment.base.widths)
    g = chain((*experiment.base.widths, widest), experiment.base.kernel, (3, 32, 32), 10)
    assert legal(g, config.plain(experiment.search.constraints))


def test_a_copy_of_a_damaged_checkpoint_writes_nothing(tmp_path: Path) -> None:
    g = chain((2, 3), 3, (1, 8, 8), 2)
    write_checkpoint(tmp_path / "one", initialise(g, generator("init", 0)), 5, "sgd")
    copy_checkpoint(tmp_path / "one", tmp_path / "new/two")
    found, k, optimizer = read_checkpoint(tmp_path / "new/two")
    assert (found.architecture, k, optimizer) == (g, 5, "sgd")
    (tmp_path / "one.safetensors").write_bytes(b"")
    with pytest.raises(CorruptFile):
        copy_checkpoint(tmp_path / "one", tmp_path / "other/two")
    assert not (tmp_path / "other").exists()
