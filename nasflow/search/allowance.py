"""What pretraining and search leave the final training, where all three share one budget."""

from __future__ import annotations

from typing import Any


def left(final: dict[str, Any], spent: dict[str, float], images: int) -> dict[str, Any]:
    """The keys of `final` with `epochs` of that many training images, or `seconds`, that
    `total_epochs` or `total_seconds` leave; at least one step. Its own where it has no total."""
    if final["total_epochs"] is not None:
        step = 1.0 / (images // final["batch_size"])
        return final | {"epochs": max(step, final["total_epochs"] - spent["epochs"])}
    return final | {"seconds": final["total_seconds"] - spent["seconds"]}
