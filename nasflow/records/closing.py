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
from nasflow.storage.files import CorruptFile


def closing(results: Path, searches: Sequence[Path], advice: Iterable[str] = ()) -> Iterator[str]:
    """Yield the summary of each search, how they compare, and where the page is.

    Args:
        results: the folder of the experiment, results/{experiment}.
        searches: the folders of its searches; those that have not ended are left out.
        advice: lines about the mirror in MLflow, which stand before the page.

    Yields:
        Lines. The last one names the page, or the command that makes it.
    """
    for summary in (search / "final/summary.txt" for search in searches):
        if summary.exists():
            yield from summary.read_text().splitlines()
    try:
        for rival in rivals(searches):
            yield from map(printable, labelled("verdict", rival.text))
    except CorruptFile as error:
        yield printable(f"nasflow: the searches are not compared: {error}")
    yield from advice
    page = outcome(results / "report.html")
    if page is not None:
        yield page
