"""What a person reads about the mirror in MLflow when searches have ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nasflow.config.tracking import Tracking
from nasflow.printable import printable
from nasflow.tracking.server import database


def advice(searches: Iterable[Path], tracking: Tracking) -> Iterator[str]:
    """Say where the mirror is, and which stages it did not get.

    Args:
        searches: folders results/EXPERIMENT/ALGORITHM/seed_S.
        tracking: the section of the configuration.

    Yields:
        Lines; none where the mirror is switched off, or nothing was mirrored yet.
    """
    facts = [_facts(path) for search in searches for path in search.glob("tracking/*.json")]
    if not tracking.enabled or not facts:
        return
    pending = [fact for fact in facts if fact.get("status") == "pending"]
    default = tracking.uri == Tracking().uri
    option = "" if default else f" --uri {tracking.uri}"
    if len(pending) < len(facts):
        local = database(tracking.uri) is not None
        where = f"nasflow ui{option}, then choose" if local else f"{tracking.uri}: choose"
        yield printable(f"  MLflow         {where} Model training")
    if pending:
        reason = str(pending[0].get("error") or "unknown reason")
        yield printable(
            f"  MLflow         {len(pending)} of {len(facts)} stages were pending when they ended"
            f" ({reason}); nasflow track --all results{option} copies them"
        )


def _facts(path: Path) -> dict[str, Any]:
    """Read what a stage of the mirror has written, or nothing where that is damaged."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {"status": "pending", "error": f"{path} cannot be read"}
    return found if isinstance(found, dict) else {}
