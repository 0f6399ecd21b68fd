"""Snakemake refuses wrong configurations and targets, and runs nothing that they name."""

from __future__ import annotations

import json
import re
import sys

import pytest
from pipeline import CONFIG, HOSTILE, SEARCH, files_in, jobs, snakemake
from places import ROOT

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experimnt: a", "experimnt: unknown key; did you mean 'experiment'?"),
        ("search: {stepz: 1}", "search.stepz: unknown key"),
        ("final: {lambda_start: 1e-3}", "final.lambda_start: '1e-3'; expected a finite number"),
        ("experiment: x; touch PWNED", "experiment: 'x; touch PWNED'; expected text matching"),
        ("experiment: a\nexperiment: b", "experiment: stands twice, in lines 1 and 2"),
        ("seeds: [010]", "seeds: 010; YAML reads it as 8"),
        ("base: {network: gone/network}", "base.network: gone/network; no checkpoint there"),
        ("data: {split: gone.csv}", "data.split: gone.csv; no file there"),
    ],
)
def test_a_wrong_config_is_one_line_and_exit_code_2(tmp_path, text, message):
    (tmp_path / "wrong.yaml").write_text(text)
    result = snakemake(tmp_path, config="wrong.yaml")
    said = [line for line in result.stderr.splitlines() if line.startswith("nasflow: ")]
    assert result.returncode == 2
    assert len(said) == 1
    assert message in said[0]
    assert "wrong.yaml" in said[0]
    assert "Traceback" not in result.stderr
    assert files_in(tmp_path) == {"wrong.yaml"}


def test_a_typo_after_config_is_refused(tmp_path):
    result = snakemake(tmp_path, "--config", "sedes=[1]", config=None)
    assert result.returncode == 2
    assert "sedes: unknown key; did you mean 'seeds'?" in result.stderr


@pytest.mark.parametrize(
    ("options", "jobs_at_once"), [([], sys.maxsize), (["--max-jobs-per-timespan", "5/1s"], 5)]
)
def test_starts_per_second_are_limited_only_on_request(tmp_path, options, jobs_at_once):
    (tmp_path / "config.yaml").write_text(CONFIG)
    result = snakemake(tmp_path, "--verbose", *options, targets=[f"{SEARCH}/search/plan.json"])
    assert result.returncode == 0, result.stderr
    resources = re.findall(r"after job selection: .*'_job_count': (\d+)", result.stderr)
    assert resources == [str(jobs_at_once)]


@pytest.mark.parametrize("value", [HOSTILE, HOSTILE.replace(" ", "\n")])
def test_values_of_the_config_reach_no_shell(tmp_path, value):
    config = {"experiment": "tiny", "data": {"root": value}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    assert jobs(snakemake(tmp_path, targets=["results/tiny/data/data.json"])) == ["prepare"]
    assert not [file for file in files_in(tmp_path) if "PWNED" in file]


@pytest.mark.parametrize(
    "target",
    [
        "results/$(touch PWNED)/nasgd/seed_0/final/metrics.json",
        "results/tiny/nasgd/seed_$(touch PWNED)/final/metrics.json",
        "results/tiny/nasgd/seed_0;touch PWNED/final/metrics.json",
        "results/tiny/nasgd/seed_0/search/round_1\ntouch PWNED\n/winner.json",
        "results/tiny/nasgd/seed_0/search/round_-1/winner.json",
        "results/tiny/../nasgd/seed_0/final/metrics.json",
    ],
)
def test_a_hostile_target_belongs_to_no_rule(tmp_path, target):
    (tmp_path / "config.yaml").write_text(CONFIG)
    result = snakemake(tmp_path, targets=[target])
    assert result.returncode == 1
    assert "MissingRuleException" in result.stderr
    assert files_in(tmp_path) == {"config.yaml"}


def test_every_placeholder_of_a_command_is_quoted():
    files = sorted((ROOT / "workflow/rules").glob("*.smk"))
    seen = 0
    for file in files:
        shells = r"    shell:\n((?:        (?!TRAIN\n).*\n)+)"  # TRAIN stands in front_networks.smk
        commands = r"^TRAIN = (\((?:\n    .*)+)"
        text = file.read_text()
        for command in re.findall(shells, text) + re.findall(commands, text, re.MULTILINE):
            placeholders = re.findall(r"\{[^}]*\}", command)
            assert placeholders, file
            seen += 1
            assert [name for name in placeholders if not name.endswith(":q}")] == [], file
    assert len(files) >= 6 and seen >= 6
