"""The page of an experiment on disk, and the stand-in that takes its place where it cannot be made.

The rule `report` is part of `final_model`, and a finished search must not count as failed because
of its page. So the rule writes a stand-in where the page cannot be written. The stand-in is removed
when Snakemake ends, so that the next run tries again.
"""

from __future__ import annotations

from pathlib import Path

from nasflow.printable import printable

STAND_IN = "<!-- nasflow: the page could not be written -->"


def is_stand_in(page: Path) -> bool:
    """Return True where a file is the stand-in, and False also where it cannot be read."""
    try:
        with open(page, "rb") as file:
            return file.read(len(STAND_IN)) == STAND_IN.encode()
    except OSError:
        return False


def outcome(page: Path) -> str | None:
    """Say where the page is, or which command makes it again; a stand-in is removed.

    Args:
        page: results/{experiment}/report.html.

    Returns:
        One line for people; None where there is no page.
    """
    if is_stand_in(page):
        page.unlink(missing_ok=True)
        return printable(
            f"nasflow: {page}: could not be written ({page.parent}/logs/report.log says why); the "
            f"searches are complete; nasflow report {page.parent} writes it again"
        )
    return printable(f"  report         {page}") if page.is_file() else None
