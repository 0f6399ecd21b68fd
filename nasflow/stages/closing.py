"""What a person reads when all searches of an experiment have ended.

The workflow prints these lines at its end. They come from small records, so that no line needs
torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from nasflow.config.tracking import Tracking
from nasflow.printable import printable
from nasflow.records.page_file import outcome
from nasflow.records.rivals import rivals
from nasflow.records.summary import labelled
from nasflow.storage.files import CorruptFile
from nasflow.tracking.advice import advice


def closing(results: Path, searches: Sequence[Path], tracking: Tracking) -> Iterator[str]:
    """Yield the summary of each search, how they compare, where the mirror and where the page is.

    Args:
        results: the folder of the experiment, results/{experiment}.
        searches: the folders of its searches; those that have not ended are left out.
        tracking: the section of the configuration.

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
    yield from advice(searches, tracking)
    page = outcome(results / "report.html")
    if page is not None:
        yield page
