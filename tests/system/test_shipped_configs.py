"""The configurations that are shipped allow what they promise."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from places import ROOT
from snakemake.utils import update_config

from nasflow.architecture.templates import chain
from nasflow.comparison import fixed, tables
from nasflow.config.experiment import Experiment
from nasflow.config.kinds import BASELINES, PARTICLES, Algorithm
from nasflow.config.reading import parse
from nasflow.data.first_network import check_bounds
from nasflow.search.neighbourhood import legal


@pytest.mark.parametrize("name", ["config", "cifar10", "cifar10_cpu", "prune"])
def test_every_shipped_config_leaves_room_above_its_base_net(name: str) -> None:
    """Files lie over config.yaml, so a bound of the default must not bind a larger experiment."""
    folder = ROOT / "config"
    merged = yaml.safe_load((folder / "config.yaml").read_text())
    update_config(merged, yaml.safe_load((folder / f"{name}.yaml").read_text()))
    experiment = parse(Experiment, merged)
    widest = max(experiment.base.widths)
    g = chain((*experiment.base.widths, widest), experiment.base.kernel, (3, 32, 32), 10)
    assert legal(g, experiment.search.constraints)


@pytest.mark.parametrize(
    "names",
    [
        ["compare"],
        ["compare", "equal_epochs"],
        ["cifar10_cpu", "compare_cifar10_cpu", "compare_cifar10_ablations"],
    ],
)
def test_the_shipped_comparisons_are_fair_by_their_settings(names: list[str]) -> None:
    """All methods have one total and train as many networks in each round. The searches of the
    paper and what it compares with, at least three seeds and all ablations take part."""
    merged: dict[str, Any] = {}
    for name in ["config", *names]:
        text = (ROOT / f"config/{name}.yaml").read_text()
        update_config(merged, yaml.safe_load(text))
    experiment: Experiment = parse(Experiment, merged)
    assert tables.equal(experiment).startswith("equal")
    assert experiment.algorithms == (*PARTICLES, *BASELINES, Algorithm.NONE)
    assert len(experiment.seeds) >= 3
    assert experiment.baselines.n_neigh == experiment.search.n_neigh + 1
    options = {"log", "no_entropy", "star", "independent", "fresh", "no_negative"}
    assert options | {"n_100", "n_100000"} <= set(experiment.compare.ablations)
    assert not experiment.tracking.enabled


@pytest.mark.parametrize("names", [["suite"], ["suite", "suite_digits"]])
def test_the_shipped_suites_are_fair_by_their_settings(names: list[str]) -> None:
    merged: dict[str, Any] = {}
    for name in ["config", *names]:
        update_config(merged, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    experiment: Experiment = parse(Experiment, merged)
    suite = experiment.suite
    assert "digits" in suite.sets
    assert set(fixed.FIXED) & set(suite.long.methods)
    for name in suite.sets:
        for length in suite.lengths:
            own = experiment.of_set(name, length)
            assert own.budget.rounds is None  # the seconds alone end a search
            assert own.baselines.n_neigh == own.search.n_neigh + 1
            assert (
                tables.equal(own) == f"equal wall-clock time, {length.seconds:g} s for each search"
            )
            assert legal(chain(own.base.widths, 3, (3, 32, 32), 10), own.search.constraints)


BOARDS = sorted(path.stem for path in (ROOT / "config/boards").glob("*.yaml"))
# Kilobytes of flash and of RAM, as the makers of the boards give them.
SIZES = {
    "arduino_nano_33_ble": (1024, 256),
    "esp32_s3": (8192, 512),
    "openmv_h7": (2048, 1024),
    "raspberry_pi_pico": (2048, 264),
    "raspberry_pi_pico_2": (4096, 520),
    "stm32f746_discovery": (1024, 320),
}


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("names", [[], ["prune"]])
def test_a_board_bounds_any_search_by_half_of_what_it_has(names: list[str], board: str) -> None:
    """It lies over config.yaml, and over a search that prunes, and changes only what it must."""
    merged: dict[str, Any] = {}
    for name in ["config", *names]:
        update_config(merged, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    before = parse(Experiment, merged)
    text = (ROOT / f"config/boards/{board}.yaml").read_text()
    assert text.count("https://") >= 1 and f"config/boards/{board}.yaml" in text
    update_config(merged, yaml.safe_load(text))
    found = parse(Experiment, merged)
    own = found.search.constraints
    assert (2 * own.max_flash, 2 * own.max_ram) == tuple(1024 * size for size in SIZES[board])
    changed = own.model_copy(update={"max_flash": None, "max_ram": None})
    assert changed == before.search.constraints and found.base == before.base
    check_bounds(found, (3, 64, 64), 10)


def test_a_board_lies_over_the_file_of_init() -> None:
    """Its portfolio is too large for most boards, so that the search begins with the base chain."""
    chosen = {"base": {"portfolio": ["chain7", "chain6"]}, "pretrain": {"epochs": 0.0}}
    for board in BOARDS:
        merged = yaml.safe_load((ROOT / "config/config.yaml").read_text())
        update_config(merged, chosen)
        update_config(merged, yaml.safe_load((ROOT / f"config/boards/{board}.yaml").read_text()))
        found = parse(Experiment, merged)
        assert found.base.portfolio == () and found.search.constraints.max_ram
        check_bounds(found, (3, 64, 64), 10)
    merged = {"budget": {"rounds": 1}, "search": {"constraints": {"max_flash": 500_000}}} | chosen
    large = parse(Experiment, merged)
    with pytest.raises(ValueError, match=r"chain7, the first network of base\.portfolio, takes 57"):
        check_bounds(large, (3, 64, 64), 10)
