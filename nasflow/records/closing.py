"""What a person reads when all searches of an experiment have ended.

The workflow prints these lines at its end. They come from small records, so that no line needs
torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nasflow.printable import printable
from nasflow.records.page_file import outcome
from nasflow.records.rivals import rivals
from nasflow.records.summary import labelled
from nasflow.storage.files import CorruptFile, read_json


def closing(results: Path, searches: Sequence[Path], advice: Iterable[str] = ()) -> Iterator[str]:
    """Yield the summary of each search, how they compare, and where the page is.

    Args:
        results: the folder of the experiment, results/{experiment}.
        searches: the folders of its searches; those that have not ended are left out.
        advice: lines about the mirror in MLflow, which stand before the page.

    Yields:
        Lines. The last one names the page, or the command that makes it.
    """
    for search in searches:
        summary = search / "final/summary.txt"
        if summary.exists():
            yield from summary.read_text().splitlines()
            yield from _front(search / "front/front.json")
    try:
        for rival in rivals(searches):
            yield from map(printable, labelled("verdict", rival.text))
    except CorruptFile as error:
        yield printable(f"nasflow: the searches are not compared: {error}")
    yield from advice
    page = outcome(results / "report.html")
    if page is not None:
        yield page


def _front(path: Path) -> Iterator[str]:
    """Yield a line about the networks of a front; nothing where there is none."""
    if not path.exists():
        return
    try:
        rows = read_json(path)["networks"]
    except CorruptFile as error:
        yield printable(f"nasflow: {error}")
        return
    least, most = (f"{row['parameters']:,}" for row in (rows[0], rows[-1]))
    text = f"{len(rows)} networks of {least} to {most} parameters; {path.with_name('front.csv')}"
    yield f"  front          {text}"
