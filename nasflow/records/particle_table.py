"""What readers of particles.parquet need beside its columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa


def compared_loss(row: Mapping[str, Any]) -> float | None:
    """Return the loss by which a network was compared with its siblings, nats.

    It is the running validation loss, and in the round of a portfolio the predicted one.

    Args:
        row: a row of particles.parquet; null values are None.

    Returns:
        The loss; None where it was not measured.
    """
    loss = row["validation_loss"]
    return None if loss is None else float(loss) + (row["trend"] or 0.0)


def has_particles(particles: pa.Table) -> bool:
    """Return False for the particles.parquet of a baseline: its columns of particles are null."""
    return bool(particles["count"].null_count == 0)


def has_forecast(particles: pa.Table) -> bool:
    """Return True for a round whose networks were compared by a forecast of their losses."""
    return bool(np.any(np.nan_to_num(particles["trend"].to_numpy().astype(np.float64))))


def with_share_after(particles: pa.Table) -> pa.Table:
    """Add the column `share_after`: the shares of the particles after the move of each step.

    A row of particles.parquet describes the moment before the move. Curves show the moment after
    it, so that the last point is the one that decided the round.

    Args:
        particles: particles.parquet of a round with particles.
    """
    counts = particles["count_after"].to_numpy()
    total = counts[: 1 + int(np.max(particles["node"].to_numpy(), initial=-1))].sum()
    return particles.append_column("share_after", pa.array(counts / max(total, 1)))
