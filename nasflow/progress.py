"""One line on the terminal while a stage runs: what, where, how long, who leads."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Progress = Callable[[int, int, str], None]


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """A function (done, of, note): a live bar on a terminal, a line every 10 seconds elsewhere,
    nothing if `quiet`."""
    live = sys.stderr.isatty()
    bar = tqdm(
        desc=title,
        unit="step",
        file=sys.stderr,
        mininterval=0.2 if live else 10.0,
        dynamic_ncols=live,
        disable=quiet,
        bar_format=None
        if live
        else "{desc} {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}\n",
    )

    def show(done: int, of: int, note: str) -> None:
        bar.total = of
        bar.set_postfix_str(note, refresh=False)
        bar.update(done - bar.n)

    with bar:
        yield show
