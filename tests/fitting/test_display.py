"""A terminal shows the whole run in a few lines; a pipe gets one line for each stage."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nasflow.fitting import display as module
from nasflow.fitting.display import Drawn, Plain, clock, display, doing, stage_of
from nasflow.fitting.milestones import IMAGES, SEARCH, TRAINING, Milestone
from nasflow.storage.running import Running

ROUND = Running("nasgd seed 0 round 1/3", 12, 400, "█▁ leader 2 chain6 with 45%, loss 1.2, tau 0.1")


def test_a_pipe_gets_one_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    shown = display("mine", 60.0, lambda: 75.0, details=False)
    assert isinstance(shown, Plain)
    with shown:
        shown.now([ROUND], 0.5)
        shown.ended(Milestone(SEARCH, "round 1: none"))
        shown.say("nasflow: odd \x1b[2J")
    assert capsys.readouterr().out == "  1:15  3/5 search:   round 1: none\nnasflow: odd \\x1b[2J\n"


def drawn(*, details: bool) -> tuple[Drawn, io.StringIO]:
    found = Drawn("mine", 120.0, lambda: 61.0, details=details)
    out = io.StringIO()
    found._console = Console(file=out, force_terminal=True, width=70, highlight=False)
    return found, out


def test_a_terminal_shows_stage_time_and_what_is_tried() -> None:
    shown, out = drawn(details=False)
    assert shown._picture().plain.splitlines()[0] == "mine: stage 1 of 5, images"
    shown.now([ROUND], 0.5)
    assert shown._picture().plain.splitlines() == [
        "mine: stage 3 of 5, search",
        "━" * 15 + "─" * 15 + " 1:01 of 2:00",
        "comparing networks that train side by side; most particles (45 %) are",
        "best so far: 50.0% of the validation images right",
    ]
    shown.ended(Milestone(TRAINING, "2,700 steps"))
    assert "4/5 training: 2,700 steps" in out.getvalue()
    shown.now([], 0.5)
    assert shown._picture().plain.splitlines()[0] == "mine: stage 5 of 5, test"


def test_details_show_particles_and_step_sizes() -> None:
    shown, _ = drawn(details=True)
    shown.now([ROUND], None)
    assert shown._picture().plain.splitlines()[-1].startswith("nasgd seed 0 round 1/3 12/400, █▁")


def test_the_picture_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        module, "Console", lambda **_: Console(file=io.StringIO(), force_terminal=True)
    )
    shown = display("mine", 60.0, lambda: 1.0, details=False)
    assert isinstance(shown, Drawn)
    with shown:
        shown.ended(Milestone(IMAGES, "x"))


@pytest.mark.parametrize(
    ("title", "stage"), [("pretrain seed 0", 2), ("final seed 1", 4), ("nash seed 0 round 1", 3)]
)
def test_titles_tell_the_stage(title: str, stage: int) -> None:
    assert stage_of(title) == stage


def test_words_for_what_happens() -> None:
    assert doing(SEARCH, [ROUND]).endswith("most particles (45 %) are on chain6")
    final = Running("final seed 0", 1234, 5000, "loss 0.1")
    assert doing(TRAINING, [final]) == "training the network that was found, step 1,234"
    assert doing(5, []) == "testing it once, and writing the report"


def test_clock() -> None:
    assert [clock(s) for s in (5.9, 65, 3725)] == ["0:05", "1:05", "1:02:05"]
