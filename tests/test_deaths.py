"""Networks that diverge or find no memory: they die alone, and never win."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rounds import arguments, prepare, run

from nasflow.__main__ import main
from nasflow.config import experiment as config
from nasflow.config.experiment import Budget
from nasflow.particles.flow import graph
from nasflow.particles.particles import Particles
from nasflow.search.baselines import ROUNDS
from nasflow.search.budget import finished
from nasflow.search.dropouts import CAUSES, Deaths
from nasflow.search.particle_round import Stop, stopped
from nasflow.search.round import Round, Setting
from nasflow.storage.checkpoint import read_checkpoint
from nasflow.storage.files import read_json
from nasflow.storage.splits import read_split
from nasflow.storage.tables import read_table
from nasflow.training import memory
from nasflow.training.siblings import Siblings

PARTICLES, ARCHITECTURES = "particles.parquet", "architectures.parquet"
EAGER = {"warmup_steps": 5, "scaling": "paper", "entropy_weight": 0.0, "kappa": 1e5, "window": 5}
STILL = {"warmup_steps": 99, "max_steps": 12}
NO_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate memory: 8 bytes"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("deaths"))


Poison = Callable[..., None]


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    """Sets a tensor of some siblings to NaN before their step `at` (from 1): weights; or after it:
    velocities, which no loss of that step shows. `among`: in rounds of so many networks only."""
    step = Siblings.step

    def poison(*victims: int, at: int, part: str = "x", among: int | None = None) -> None:
        def poisoned(self: Siblings, *rest: Any) -> Any:
            now = self._steps + 1 == at and among in (None, len(self))
            done = step(self, *rest) if part == "v" else None
            for i in victims if now else ():
                with torch.no_grad():
                    next(iter(getattr(self._live[i].last, part).values())).fill_(float("nan"))
            return done or step(self, *rest)

        monkeypatch.setattr(Siblings, "step", poisoned)

    return poison


def setting(folder: Path, **search: Any) -> Setting:
    options = config.plain(config.Search(n_neigh=5, **search))
    options |= {"epochs_neigh": 2.0} | {"ageing": 2.0, "eta": 2}
    train, validation = (read_split(folder / "data", s, "cpu") for s in ("train", "validation"))
    augment = config.plain(config.Augment())
    return Setting("nasgd", options, augment, train, validation, seed=3, number=1, workers=1)


def states(folder: Path, **search: Any) -> tuple[list[dict[str, torch.Tensor]], Stop]:
    parent = read_checkpoint(folder / "pretrain/network").network
    with stopped(parent, 0, setting(folder, **search), lambda *_: None) as stop:
        return [stop.live.state(i) for i in range(len(stop.live))], stop


def rows(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_table(out / ARCHITECTURES).to_pylist()
    return found


def test_siblings_of_a_child_that_dies_are_the_same_to_the_bit(
    folder: Path, poison: Poison
) -> None:
    whole, before = states(folder, **STILL)
    poison(2, at=4)
    found, after = states(folder, **STILL)
    assert [after.deaths.row(i)["died_at"] for i in range(6)] == [None, None, 4, None, None, None]
    for i in (0, 1, 3, 4, 5):
        assert all(torch.equal(t, found[i][name]) for name, t in whole[i].items())
        for loss in ("losses", "train_loss"):
            one, two = ([getattr(s, loss)[i] for s in r.history] for r in (before, after))
            assert one == two


@pytest.mark.parametrize("algorithm", ["nasgd", "nasagd"])
def test_particles_leave_a_leader_that_dies_and_it_never_wins(
    folder: Path, tmp_path: Path, poison: Poison, algorithm: str
) -> None:
    options = {**EAGER, "second_order": {"kinetic": True}, "confidence": 100.0}
    first = run(folder, f"first {algorithm}", 1, algorithm, **options)
    status = read_json(first / "status.json")
    leader, last = status["winner"], status["steps"]
    assert status["reason"] == "recentred"
    poison(leader, at=last)
    out = run(folder, f"without {algorithm}", 1, algorithm, **options)
    after = read_json(out / "status.json")
    assert (after["died"], after["steps"] >= last, after["winner"] != leader) == (1, True, True)
    died = rows(out)[leader]
    assert (died["died_at"], died["died_of"], died["winner"]) == (last, "training loss", False)
    table = read_table(out / PARTICLES).to_pandas()
    assert (table.groupby("step")["count"].sum() == 1005).all()
    gone = table[(table.node == leader) & (table.step >= last)]
    assert (gone["count"] == 1).all() and gone.train_loss.isna().all()
    assert np.isfinite(table.drop(columns="train_loss").to_numpy(dtype=float)).all()


def test_where_all_die_the_parent_stays_and_the_search_ends(folder: Path, poison: Poison) -> None:
    poison(*range(6), at=7)
    out = run(folder, "all", 1, **STILL)
    status = read_json(out / "status.json")
    assert (status["reason"], status["winner"], status["steps"]) == ("diverged", 0, 6)
    assert {row["died_of"] for row in rows(out)} == {"training loss"}
    parent = (folder / "pretrain/network.safetensors").read_bytes()
    assert (out / "winner.safetensors").read_bytes() == parent
    assert finished(Budget(rounds=9), status["totals"]) == "diverged"


def test_where_the_parent_dies_the_best_child_goes_on(folder: Path, poison: Poison) -> None:
    poison(0, 1, at=7)
    out = run(folder, "heir", 1, **STILL)
    status = read_json(out / "status.json")
    losses = {r["node"]: r["validation_loss"] for r in rows(out) if r["died_at"] is None}
    assert set(losses) == {2, 3, 4, 5}
    assert (status["reason"], status["steps"]) == ("parent_diverged", 7)
    assert status["winner"] == min(losses, key=losses.__getitem__)
    assert status["totals"]["recentred"] == 1
    assert read_checkpoint(out / "winner").k == 7


def test_a_network_that_only_its_weights_betray_is_not_chosen(folder: Path, poison: Poison) -> None:
    poison(0, at=12, part="v")
    out = run(folder, "velocity", 1, **STILL)
    assert read_json(out / "status.json")["reason"] == "parent_diverged"
    assert rows(out)[0]["died_of"] == "weights"
    read_checkpoint(out / "winner")


def test_a_round_goes_on_after_a_crash_with_its_dead(
    folder: Path, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(1, 4, at=3)
    whole = run(folder, "whole", 1, **STILL)
    poisoned = Siblings.step

    def crash(self: Siblings, *rest: Any) -> Any:
        if self._steps == 8:
            raise OSError("the machine is gone")
        return poisoned(self, *rest)

    monkeypatch.setenv("NASFLOW_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(Siblings, "step", crash)
    with pytest.raises(OSError, match="machine"):
        run(folder, "crashed", 1, **STILL)
    monkeypatch.setattr(Siblings, "step", poisoned)
    again = run(folder, "crashed", 1, **STILL)
    for name in (PARTICLES, ARCHITECTURES, "winner.json"):
        assert (again / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize("algorithm", sorted(ROUNDS))
def test_a_baseline_judges_those_that_live(folder: Path, poison: Poison, algorithm: str) -> None:
    def round_() -> Round:
        parent = read_checkpoint(folder / "pretrain/network").network
        return ROUNDS[algorithm](parent, 0, setting(folder), lambda *_: None)

    first = round_()
    victim = 0 if algorithm == "random" else first.winner
    poison(victim, at=2, among=1 if algorithm == "random" else 5)
    found = round_()
    died = [row["node"] for row in found.architectures if row["died_at"] == 2]
    if algorithm == "random":
        assert (found.reason, found.winner, died) == ("diverged", 0, [1])
        return
    assert died == [victim] and found.winner != victim and np.isfinite(found.validation_loss)
    others = [r["train_loss"] for r in first.particles if r["node"] not in died]
    if algorithm != "halving":
        assert others == [r["train_loss"] for r in found.particles if r["node"] not in died]


def starve(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From its fourth step on child 2 has 2,000 times as many images, and the process 64 MB more
    than it holds: torch's allocator fails in earnest. What it said."""
    train, said = Siblings._train, []

    def short(self: Siblings, i: int, batches: Any, *rest: Any) -> Any:
        if i != 2 or self._steps < 4:
            return train(self, i, batches, *rest)
        large = tuple(part.repeat(2000, *[1] * (part.ndim - 1)) for part in batches[0])
        before = resource.getrlimit(resource.RLIMIT_AS)
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + 64_000_000, before[1]))
        try:
            return train(self, i, [large], *rest)
        except RuntimeError as error:
            said.append(str(error))
            raise
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)

    monkeypatch.setattr(Siblings, "_train", short)
    return said


linux = pytest.mark.skipif(sys.platform != "linux", reason="bounds a process as Linux does")


@linux
def test_out_of_memory_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = starve(monkeypatch)
    options = arguments(folder, "starved", **STILL)
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    assert main(["search_round", *words]) == 2 and said
    lines = [line for line in capsys.readouterr().err.splitlines() if "nasflow" in line]
    assert len(lines) == 1 and "out of memory" in lines[0] and "max_memory" in lines[0]
    assert not (folder / "starved/status.json").exists()


@linux
def test_out_of_memory_drops_the_child_where_that_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starve(monkeypatch)
    out = run(folder, "dropped", 1, on_oom="drop", **STILL)
    assert [(r["node"], r["died_at"]) for r in rows(out) if r["died_of"] == "memory"] == [(2, 4)]
    assert read_json(out / "status.json")["reason"] == "max_steps"


@pytest.mark.parametrize("text", [*memory.SAYINGS, NO_MEMORY])
def test_libraries_say_in_many_ways_that_memory_ran_out(text: str) -> None:
    assert memory.exhausted(RuntimeError(f"{text}: 8"))
    assert not memory.exhausted(ValueError(text)) and not memory.exhausted(RuntimeError("shape"))


def test_children_keep_to_their_share_of_the_memory(folder: Path) -> None:
    g = read_checkpoint(folder / "pretrain/network").network.architecture
    taken = memory.megabytes(g, 64)
    free = rows(run(folder, "free", 1, **STILL))
    bound = rows(run(folder, "bound", 1, max_memory=6 * taken * 1.05, **STILL))
    assert {row["fingerprint"] for row in bound} != {row["fingerprint"] for row in free}
    _, stop = states(folder, max_memory=6 * taken * 1.05, **STILL)
    sizes = [memory.megabytes(c.network.architecture, 64) for c in stop.children]
    assert sizes and max(sizes) <= taken * 1.05
    with pytest.raises(ValueError, match=r"search\.max_memory: .* raise it"):
        run(folder, "none", 1, max_memory=6 * taken * 0.99, **STILL)


def test_a_round_in_which_nothing_can_lead_ends(folder: Path) -> None:
    same = dict.fromkeys(config.MORPHISMS, 0.0) | {"widen": 1.0}
    still = {"lambda_start": 1e-30, "lambda_final": 0.0, "morphisms": same}
    out = run(folder, "stuck", 1, max_steps=55, **still)
    status = json.loads((out / "status.json").read_text())
    assert (status["reason"], status["steps"], status["winner"]) == ("max_steps", 55, 0)


def test_particles_of_the_dead_go_along_edges_and_none_comes_back() -> None:
    options = config.plain(config.Search(particles=100, graph="star"))
    particles = Particles("nasgd", graph(np.ones(3), 0.0), options)
    particles.counts = np.array([40, 41, 21, 1])
    rng, dead = np.random.default_rng(0), np.array([False, True, True, False])
    zeros = np.zeros(4)
    info = particles.step(rng, zeros, zeros, 0.05, still=True, dead=dead)
    assert info.counts.tolist() == [100, 1, 1, 1]
    attractive = np.array([0.0, -9.0, -9.0, -0.5])
    for _ in range(50):
        info = particles.step(rng, attractive, zeros, 0.05, still=False, dead=dead)
        assert info.counts[1:3].tolist() == [1, 1] and info.counts.sum() == 103


def test_a_death_has_its_first_cause_and_is_for_good() -> None:
    deaths, other = Deaths(3), Deaths(3)
    deaths.note(2, "weights", np.array([False, True, False]))
    deaths.note(5, "memory", np.array([True, True, False]))
    other.restore(deaths.state())
    assert [other.row(i)["died_at"] for i in range(3)] == [5, 2, None]
    assert [CAUSES[i] for i in other.of] == ["memory", "weights", ""]
    assert other.heir(np.array([0.0, 1.0, 2.0])) == 2
    assert other.judged(np.array([np.nan, 7.0, 1.0])).tolist() == [11.0, 11.0, 1.0]
