"""The workflow makes a table of latencies before it trains anything, and only where one is read."""

from __future__ import annotations

from pathlib import Path

import timed
from pipeline import CONFIG, SEARCH, TESTED, edit, planned, snakemake

TABLE = "results/tiny/latency/table.json"


def test_a_network_above_the_bound_ends_everything_before_any_training(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    timed.table_at(tmp_path / "laptop.json")
    bounds = "constraints: {max_latency: 1.0, latency_table: laptop.json}"
    edit(tmp_path, "max_steps: 4", f"max_steps: 4, {bounds}")
    jobs = planned(tmp_path)
    assert jobs.index("latency_table") < jobs.index("pretrain") < jobs.index("search_round 1")
    edit(tmp_path, "max_latency: 1.0", "max_latency: 0.0001")
    line = "search.constraints.max_latency: 0.0001; the base network "
    for _ in range(2):  # the table is made in the first run, and known when the second one starts
        done = snakemake(tmp_path, targets=[TESTED])
        assert done.returncode
        assert line in done.stdout + done.stderr
        assert '"precision": "int8"' in (tmp_path / TABLE).read_text()
        assert not (tmp_path / SEARCH / "pretrain").exists()
    edit(tmp_path, "max_latency: 0.0001", "max_latency: null")
    assert "latency_table" not in planned(tmp_path)
