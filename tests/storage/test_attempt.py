"""Stages that are stopped at any step end in the bytes of one that was never stopped."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import small
from lacking import LACKING, reader, shorter, zero
from played import play
from small import STAGES, STATUS, results, sketch

from nasflow.config.search import MORPHISMS
from nasflow.stages import rounds
from nasflow.storage import attempt as attempts
from nasflow.storage.attempt import attempt
from nasflow.storage.files import read_json, write_json
from nasflow.storage.interruption import Interruption, Stopped
from nasflow.storage.tables import read_table
from nasflow.training import training_course
from nasflow.training.ranks import Ranks
from nasflow.training.siblings import Siblings


def _stop(run: Callable[..., None], folder: Path, out: Path, **options: Any) -> None:
    with pytest.raises(Stopped):
        run(folder, out, **options)


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_stopped_after_any_step_goes_on_to_the_same_bytes(
    name: str, folder: Path, whole: dict[str, dict[str, bytes]], stop: Callable[..., None]
) -> None:
    steps = json.loads(whole[name][STATUS])["steps"]
    assert steps == 7
    for step in range(1, steps):
        out = folder / "stopped" / f"{name}_{step}"
        stop(step)
        _stop(STAGES[name], folder, out)
        assert not (out / STATUS).exists()
        STAGES[name](folder, out)
        assert results(out) == whole[name], step


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_stopped_after_every_step_ends_in_the_same_bytes(
    name: str, folder: Path, whole: dict[str, dict[str, bytes]], stop: Callable[..., None]
) -> None:
    stop(*range(1, 7))
    for _ in range(6):
        _stop(STAGES[name], folder, folder / "often" / name)
    STAGES[name](folder, folder / "often" / name)
    assert results(folder / "often" / name) == whole[name]


def _in_turns(folder: Path, out: Path) -> None:
    """A round whose networks get equal FLOPs, so that cheap ones make several steps in a turn."""
    large = {"widen": 1.0, "enlarge_kernel": 1.0}
    morphisms = dict.fromkeys(MORPHISMS, 0.0) | large
    small.one_round(folder, out, equal="flops", morphisms=morphisms, min_lead=10.0)


def test_a_round_of_equal_flops_stopped_after_any_turn_goes_on_to_the_same_bytes(
    folder: Path, stop: Callable[..., None], tmp_path: Path
) -> None:
    _in_turns(folder, tmp_path / "whole")
    status = read_json(tmp_path / "whole" / STATUS)
    assert status["steps"] == 7 and status["network_steps"] > 3 * 7 + 3
    for step in range(1, 7):
        stop(step)
        _stop(_in_turns, folder, tmp_path / str(step))
        _in_turns(folder, tmp_path / str(step))
        assert results(tmp_path / str(step)) == results(tmp_path / "whole"), step


def test_turns_that_are_forgotten_are_noticed(
    folder: Path, stop: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_turns(folder, tmp_path / "whole")
    stop(5)
    _stop(_in_turns, folder, tmp_path / "stopped")
    monkeypatch.setattr(attempts, "generations", reader(partial(zero, "turns.made")))
    _in_turns(folder, tmp_path / "stopped")
    assert results(tmp_path / "stopped") != results(tmp_path / "whole")


def _race(folder: Path, out: Path) -> None:
    """A race, in which 35 steps are 9 for each rung, of which the first keeps its state."""
    own = small.options(folder, out, algorithm="race", max_steps=36)
    base = {"portfolio": ["chain6", "chain7"]}
    config = json.dumps(json.loads(own["config"]) | {"base": base})
    rounds.search_round(**own | {"config": config}, device="cpu", threads=1)


def test_a_race_stopped_after_a_step_of_its_first_rung_goes_on_to_the_same_bytes(
    folder: Path, stop: Callable[..., None], tmp_path: Path
) -> None:
    _race(folder, tmp_path / "whole")
    stop(4)
    _stop(_race, folder, tmp_path / "stopped")
    _race(folder, tmp_path / "stopped")
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")


@pytest.mark.parametrize("what", LACKING)
def test_state_that_lacks_a_part_is_noticed(
    what: str,
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    stop: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """This proves that the tests above would see a part that is missing."""
    name = what.split()[0]
    stop(5)
    _stop(STAGES[name], folder, tmp_path)
    monkeypatch.setattr(attempts, "generations", reader(LACKING[what]))
    STAGES[name](folder, tmp_path)
    assert results(tmp_path) != whole[name]


def test_losses_since_the_last_row_of_a_training_are_kept_and_missed(
    folder: Path, stop: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training has 35 steps, with rows after the looks, at steps 4 and 7, and every 17
    steps."""
    monkeypatch.setattr(training_course, "ROWS_PER_RUN", 2)
    small.final(folder, tmp_path / "whole", epochs=5.0)
    stop(6)
    for out in ("stopped", "lacking"):
        _stop(small.final, folder, tmp_path / out, epochs=5.0)
    small.final(folder, tmp_path / "stopped", epochs=5.0)
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")
    monkeypatch.setattr(attempts, "generations", reader(partial(shorter, "recent")))
    small.final(folder, tmp_path / "lacking", epochs=5.0)
    assert results(tmp_path / "lacking") != results(tmp_path / "whole")


def test_a_training_by_seconds_goes_on_with_those_that_are_left(
    folder: Path, stop: Callable[..., None], tmp_path: Path
) -> None:
    spent = {"spent": {"epochs": 1.0, "seconds": 1.0}}
    write_json(folder / "pretrain/summary.json", spent)
    seconds = {"epochs": None, "total_seconds": 2.5}
    stop(5)
    _stop(small.final, folder, tmp_path, **seconds)
    began = time.monotonic()
    small.final(folder, tmp_path, **seconds)
    status, took = read_json(tmp_path / STATUS), time.monotonic() - began
    assert status["steps"] > 5 and 1.5 < status["seconds"] < 3.0
    assert took > 1.0
    rows = read_table(tmp_path / "history.parquet").to_pylist()
    assert rows[-1]["tau"] < 0.01 * max(row["tau"] for row in rows)
    assert rows[-1]["validation_loss"] is not None


def test_averages_that_forget_their_length_are_noticed(
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    stop: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Siblings.restore
    stop(5)
    _stop(small.one_round, folder, tmp_path)
    monkeypatch.setattr(Siblings, "restore", lambda self, states, steps: real(self, states, 0))
    small.one_round(folder, tmp_path)
    assert results(tmp_path) != whole["nasgd"]


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"window": 6}, {"algorithm": "nasagd"}, {"max_steps": 6}]
)
def test_state_of_another_seed_or_config_is_not_used(
    other: dict[str, Any],
    folder: Path,
    stop: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop(4)
    _stop(small.one_round, folder, tmp_path / "a")
    stop()
    small.one_round(folder, tmp_path / "a", **other)
    assert "of other inputs or config and not used" in capsys.readouterr().err
    small.one_round(folder, tmp_path / "b", **other)
    assert results(tmp_path / "a") == results(tmp_path / "b")


def test_state_past_a_smaller_budget_is_not_used(
    folder: Path, stop: Callable[..., None], tmp_path: Path
) -> None:
    stop(4)
    _stop(small.one_round, folder, tmp_path / "a")
    stop()
    for name in "ab":
        small.one_round(folder, tmp_path / name, steps=3)
    assert results(tmp_path / "a") == results(tmp_path / "b")
    assert json.loads((tmp_path / "a" / STATUS).read_text())["steps"] == 3


def test_seconds_and_start_are_those_of_the_first_attempt_on(
    folder: Path, stop: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.time()
    stop(3)
    _stop(small.final, folder, tmp_path)
    file = next((tmp_path / ".resume").glob("*-*/manifest.json"))
    kept = json.loads(file.read_text())["about"]
    stop()
    time.sleep(0.3)
    resumed = time.time()
    small.final(folder, tmp_path)
    status = json.loads((tmp_path / STATUS).read_text())
    assert began <= status["started"] <= began + 0.3
    assert 0 < kept["seconds"] < status["seconds"] < kept["seconds"] + time.time() - resumed


class Killed(BaseException):
    """Ends an attempt without success."""


def test_a_stage_that_is_killed_again_and_again_falls_back_and_at_last_starts_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(attempts.SECONDS, "0")

    def start(*kept: int) -> int:
        """Begin an attempt that is killed after more steps; return the step that it goes on
        from."""
        found = None
        with suppress(Killed), attempt(tmp_path, {}, "cpu") as keeper:
            found = keeper.before(["g", "h"], 99)
            for step in kept:
                keeper.keep(step, partial(sketch, step))
            raise Killed
        return found.step if found else 0

    assert start(5, 9, 12) == 0
    assert [start() for _ in range(7)] == [12, 12, 12, 9, 9, 9, 0]
    said = capsys.readouterr().err
    assert "3 starts from the state after step 12 came no further" in said
    assert "3 starts from the state after step 9 came no further" in said
    start(5)
    assert [start(), start(), start(6), start()] == [5, 5, 5, 6]


def test_after_early_kills_the_next_attempt_keeps_its_state_sooner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(attempts.SECONDS, "0.2")
    for kept in (False, False, True):
        with suppress(Killed), attempt(tmp_path, {}, "cpu") as keeper:
            keeper.before(["g", "h"], 99)
            time.sleep(0.06)
            keeper.keep(1, lambda: sketch(1))
            assert bool(list((tmp_path / ".resume").glob("1-*"))) == kept
            raise Killed


def test_a_full_disk_costs_the_state_and_not_the_run(
    folder: Path,
    whole: dict[str, dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv(attempts.SECONDS, "0")
    monkeypatch.setattr(attempts, "write_generation", full)
    small.one_round(folder, tmp_path)
    assert results(tmp_path) == whole["nasgd"]
    assert "after step 3 could not be kept: [Errno 28]" in capsys.readouterr().err


def test_the_time_between_two_states_must_be_a_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv(attempts.SECONDS, text)
        with pytest.raises(ValueError, match=rf"NASFLOW_CHECKPOINT_SECONDS: {text}; expected"):
            small.one_round(folder, tmp_path)


def test_a_signal_to_one_rank_stops_all_after_the_same_step_without_an_exchange_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes to rank 1 while it trains step 3; the state is due on rank 0 only."""
    played, signals = play(2, monkeypatch), [Interruption(), Interruption()]
    monkeypatch.setattr(attempts, "interruption", lambda: nullcontext(signals[played.rank]))
    exchanges: list[int] = []

    def work(ranks: Ranks) -> str:
        with attempt(tmp_path, {}, "cpu", ranks) as keeper:
            keeper.before(["g", "h"], 99)
            for step in (1, 2, 3, 4):
                if step == 3 and ranks.rank == 1:
                    signals[1].number = signal.SIGTERM
                before = played.count["all_reduce"]
                ranks.merge({ranks.rank: (1.0,)}, 2, 1)
                keeper.keep(step, partial(sketch, step))
                if ranks.first:
                    exchanges.append(played.count["all_reduce"] - before)
        return "not stopped"

    def stopped(ranks: Ranks) -> str:
        with pytest.raises(Stopped) as error:
            work(ranks)
        return str(error.value)

    ends = played.run(stopped)
    assert ends[0] == ends[1] and "stopped by SIGTERM after step 3" in ends[0]
    assert exchanges == [1, 1], "a step that keeps nothing has the exchange of its table only"
    assert [path.name[:2] for path in (tmp_path / ".resume").glob("*-*")] == ["3-"]
