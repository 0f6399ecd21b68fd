"""What a person sees while a run goes on.

On a terminal a few lines are drawn again and again below the lines of the stages that ended. In a
pipe or a file there are only the lines of the stages, each with the time gone.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from nasflow.fitting.milestones import IMAGES, SEARCH, STAGES, START, TEST, TRAINING, Milestone
from nasflow.printable import printable
from nasflow.storage.running import Running

BAR = 30  # columns
PER_SECOND = 2.0
AHEAD = re.compile(r"leader \d+ (.+?) with (\d+)%")
TITLES = {"pretrain": START, "final": TRAINING}
WORDS = {
    IMAGES: "reading the images",
    START: "preparing the first networks",
    SEARCH: "comparing networks that train side by side",
    TRAINING: "training the network that was found",
    TEST: "testing it once, and writing the report",
}


class Display(Protocol):
    """Shows a run."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None: ...

    def ended(self, milestone: Milestone) -> None:
        """Show that a stage ended."""

    def say(self, line: str) -> None:
        """Show a line."""

    def now(self, stages: Sequence[Running], best: float | None) -> None:
        """Show how far the stages are that run now.

        Args:
            stages: how far each running stage is.
            best: the best validation accuracy so far, or None.
        """


class Plain:
    """One line for each stage, for a pipe or a file.

    Args:
        elapsed: the seconds since the start.
    """

    def __init__(self, elapsed: Callable[[], float]) -> None:
        self._elapsed = elapsed

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ended(self, milestone: Milestone) -> None:
        """Show that a stage ended."""
        self.say(_line(milestone, self._elapsed()))

    def say(self, line: str) -> None:
        """Show a line."""
        print(printable(line), flush=True)

    def now(self, stages: Sequence[Running], best: float | None) -> None:
        """Show nothing: a pipe keeps what is written to it."""


class Drawn:
    """A picture of the run on a terminal.

    Args:
        name: the name of the experiment.
        total: seconds that were asked for.
        elapsed: the seconds since the start.
        details: whether the words of the stages are shown as they are, with particles and tau.
    """

    def __init__(
        self, name: str, total: float, elapsed: Callable[[], float], *, details: bool
    ) -> None:
        self._name, self._total, self._elapsed, self._details = name, total, elapsed, details
        self._stage = IMAGES
        self._running: Sequence[Running] = ()
        self._best: float | None = None
        self._console = Console(markup=False, highlight=False, emoji=False)
        self._live = Live(
            get_renderable=self._picture,
            console=self._console,
            refresh_per_second=PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Drawn:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def ended(self, milestone: Milestone) -> None:
        """Show that a stage ended."""
        self._stage = milestone.stage if milestone.stage == SEARCH else milestone.stage + 1
        self.say(_line(milestone, self._elapsed()))

    def say(self, line: str) -> None:
        """Show a line above the picture."""
        self._console.print(printable(line), soft_wrap=True)

    def now(self, stages: Sequence[Running], best: float | None) -> None:
        """Keep how far the stages are for the next picture."""
        self._running, self._best = stages, best
        for one in stages:
            self._stage = max(self._stage, stage_of(one.title))

    def _picture(self) -> Text:
        stage, gone = min(self._stage, TEST), self._elapsed()
        filled = round(BAR * min(gone / self._total, 1.0))
        lines = [
            f"{self._name}: stage {stage} of {len(STAGES)}, {STAGES[stage - 1]}",
            f"{'━' * filled}{'─' * (BAR - filled)} {clock(gone)} of {clock(self._total)}",
            doing(stage, self._running),
        ]
        if self._best is not None:
            lines.append(f"best so far: {self._best:.1%} of the validation images right")
        if self._details:
            lines += [f"{one.title} {one.done}/{one.of}, {one.note}" for one in self._running]
        width = max(self._console.width - 1, 20)
        return Text("\n".join(printable(line)[:width] for line in lines))


def display(name: str, total: float, elapsed: Callable[[], float], *, details: bool) -> Display:
    """Choose what fits the standard output: a picture on a terminal, and lines elsewhere."""
    console = Console()
    if console.is_terminal and not console.is_dumb_terminal and sys.stdout.isatty():
        return Drawn(name, total, elapsed, details=details)
    return Plain(elapsed)


def stage_of(title: str) -> int:
    """Tell the number of a stage from its title, such as `final seed 0`."""
    return next((stage for word, stage in TITLES.items() if title.startswith(word)), SEARCH)


def doing(stage: int, stages: Sequence[Running]) -> str:
    """Say in words what happens now.

    Args:
        stage: the number of the stage.
        stages: how far each running stage is.
    """
    for one in stages:
        words = WORDS[stage_of(one.title)]
        if ahead := AHEAD.search(one.note):
            return f"{words}; most particles ({ahead[2]} %) are on {ahead[1]}"
        return f"{words}, step {one.done:,}"
    return WORDS[stage]


def clock(seconds: float) -> str:
    """Seconds as 2:05, or 1:02:05."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _line(milestone: Milestone, gone: float) -> str:
    name = STAGES[milestone.stage - 1]
    return f"{clock(gone):>6}  {milestone.stage}/{len(STAGES)} {name + ':':10}{milestone.line}"


def since(began: float) -> Callable[[], float]:
    """Return a function that tells the seconds since a moment of time.monotonic."""
    return lambda: time.monotonic() - began
