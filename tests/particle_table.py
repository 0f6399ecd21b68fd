"""The particles of a round at losses that stand still."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from nasflow.config.search import Search
from nasflow.storage.tables import PARTICLES

NAMES = ["0 parent", "1 widen", "2 deepen"]


SEARCH = Search()


def particle_table(steps: int, *, nodes: int = 3, w: float = 0.5) -> pa.Table:
    """Make up particles that go from the parent to the last node, at losses that do not change."""
    rows = []
    V = np.linspace(1.0, 0.7, nodes)
    for step in range(1, steps + 1):
        share = np.full(nodes, 0.1)
        share[0] = 1.0 - 0.8 * step / steps
        share /= share.sum()
        counts = np.round(10_000 * share).astype(int)
        counts[0] += 10_000 - counts.sum()
        for node in range(nodes):
            rows.append(
                dict.fromkeys(PARTICLES.names)
                | {
                    "step": step,
                    "k": step,
                    "node": node,
                    "count": int(counts[node]),
                    "share": share[node],
                }
                | {"count_after": int(counts[node]), "price": 0.0, "kinetic": 0.0, "trend": 0.0}
                | {"validation_loss": V[node], "energy": w * share[node] + V[node], "tau": 0.1}
                | {"train_loss": 1.0, "weight": w, "standard_error": 0.01, "phi": 0.0}
                | {"moved": int(step > steps // 2), "restarted": False}
            )
    return pa.Table.from_pylist(rows, schema=PARTICLES)
