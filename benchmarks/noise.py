"""The noise of the losses in recorded rounds, a table of `selection.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nasflow.particles.average import Average


def noise(folder: list[Path], window: int, burn_in: int) -> None:
    """Print how noisy the losses of recorded rounds are.

    A row has the standard deviation of the loss of g_r, and that of the paired differences between
    the children and g_r (quartiles over the children). Then come the correlation of a difference
    with that of the step before, and how far each child leads at the end.

    Args:
        folder: folders with particles.parquet somewhere below.
        window: the length of the average over losses with which the rounds were recorded.
        burn_in: the step at which that average began anew.
    """
    print("| round | steps | sd of V_0 | sd of V_i - V_0, quartiles | correlation | last leads |")
    print("| --- | ---: | ---: | --- | ---: | --- |")
    for path, V, _ in histories(folder):
        losses = unaveraged(V, window, burn_in)
        d = losses[:, 1:] - losses[:, :1]
        later = d[len(d) // 2 :]
        quartiles = " ".join(f"{q:.3f}" for q in np.quantile(later.std(0), [0.25, 0.5, 0.75]))
        moving = later[:, later.std(0) > 1e-6]
        steps = [float(np.corrcoef(c[:-1], c[1:])[0, 1]) for c in moving.T]
        leads = " ".join(f"{x:+.3f}" for x in V[-1, 0] - V[-1, 1:])
        where = "/".join(path.parts[-5:-1])
        print(
            f"| {where} | {len(V)} | {losses[:, 0].std():.3f} | {quartiles} "
            f"| {np.mean(steps):+.2f} | {leads} |"
        )


def histories(folders: list[Path]) -> Iterator[tuple[Path, np.ndarray, np.ndarray]]:
    """Read all rounds below some folders, except those in which a child dropped out.

    A child that dropped out has no loss from that step on.

    Returns:
        For each round the path of its table, V (steps, m), and tau (steps,).
    """
    import pyarrow.parquet as pq

    for path in sorted(p for f in folders for p in f.rglob("search/*/particles.parquet")):
        table = pq.read_table(path, columns=["node", "validation_loss", "tau"]).to_pydict()
        V = np.array(table["validation_loss"], float).reshape(-1, 1 + max(table["node"]))
        if np.isfinite(V).all():
            yield path, V, np.array(table["tau"]).reshape(V.shape)[:, 0]


def unaveraged(V: np.ndarray, window: int, burn_in: int = 0) -> np.ndarray:
    """Undo the average: compute the losses, (steps, m), from which `Average` made V."""
    keep, before = 1.0 - 1.0 / window, np.zeros(V.shape[1])
    unit, losses = Average(1, window, burn_in), []
    for step, row in enumerate(V):
        if burn_in and step == burn_in:
            before = np.zeros(V.shape[1])
        unit.update(np.ones(1))
        total = row * unit._mass
        losses.append((total - keep * before) / (1.0 - keep))
        before = total
    return np.array(losses)
