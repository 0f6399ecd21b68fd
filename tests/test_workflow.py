"""The workflow as a user runs it: Snakemake in a fresh process and a folder of its own.

One small search is run to its end; every other test asks in a copy of it what Snakemake would do.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).parents[1]
SEARCH = "results/tiny/nasgd/seed_0"
CONFIG = """
experiment: tiny
base: {widths: [4, 8]}
pretrain: {epochs: 1, batch_size: 256}
search: {n_neigh: 2, particles: 50, batch_size: 256, window: 4, warmup_steps: 1, max_steps: 4}
budget: {rounds: 2}
final: {epochs: 1, batch_size: 256}
tracking: {enabled: false}
"""
AFTER = ["select_winner", "final_train", "evaluate"]
RESULTS = ["prepare", "pretrain", "plan", "search_round", *AFTER]
HOSTILE = "-x; touch PWNED $(touch PWNED) `touch PWNED`' touch PWNED '\" touch PWNED \"{threads}"


def snakemake(folder, *arguments, config="config.yaml", targets=(), snakefile=ROOT / "Snakefile"):
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--cores", "1"]
    command += arguments
    if config is not None:
        command += ["--configfile", config]
    command += ["--", *targets]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


def jobs(result):
    """The jobs of a call or dry run, in order: rule names, with the round where there is one."""
    assert result.returncode == 0, result.stdout + result.stderr
    found = []
    for line in (result.stdout + result.stderr).splitlines():
        if header := re.fullmatch(r"(?:local)?(?:rule|checkpoint) (\w+):", line):
            found.append(header[1])
        elif number := re.match(r" +wildcards: .*round=(\d+)", line):
            found[-1] += f" {number[1]}"
    return [name for name in found if name != "final_model"]


def planned(folder, *arguments, **options):
    return jobs(snakemake(folder, "--dry-run", *arguments, **options))


def edit(folder, old, new):
    file = folder / "config.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def hashes(folder, *patterns):
    files = [file for pattern in patterns for file in sorted((folder / SEARCH).glob(pattern))]
    assert files
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def files_in(folder):
    """Every file but Snakemake's own."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] != ".snakemake"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a finished search of two rounds, and what Snakemake said."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "config.yaml").write_text(CONFIG)
    return folder, snakemake(folder)


@pytest.fixture
def search(finished, tmp_path):
    """A copy of the finished search, with its times."""
    folder = tmp_path / "search"
    shutil.copytree(finished[0], folder)
    return folder


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_a_dry_run_in_an_empty_folder_plans_the_default_experiment(tmp_path, snakefile):
    result = snakemake(tmp_path, "--dry-run", config=None, snakefile=ROOT / snakefile)
    assert {name.split()[0] for name in jobs(result)} >= set(RESULTS)
    assert not files_in(tmp_path)


def test_a_search_runs_to_its_summary_and_then_there_is_nothing_to_do(finished):
    folder, result = finished
    rounds = ["search_round 1", "search_round 2"]
    assert sorted(jobs(result)) == sorted([*RESULTS[:3], *rounds, *AFTER])
    assert result.stdout == (folder / SEARCH / "final/summary.txt").read_text()
    again = snakemake(folder)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_forced_round_gives_the_same_bytes_and_nothing_after_it_reruns(search):
    patterns = ("search/round_2/winner.*", "search/round_2/*.parquet")
    before = hashes(search, *patterns)
    status = search / SEARCH / "search/round_2/status.json"
    times = {file: file.stat().st_mtime_ns for file in (search / SEARCH).rglob("*.json")}
    weights = f"{SEARCH}/search/round_2/winner.safetensors"
    assert jobs(snakemake(search, "--force", targets=[weights])) == ["search_round 2"]
    assert hashes(search, *patterns) == before
    assert status.stat().st_mtime_ns > times[status]
    assert planned(search) == []


def test_forcerun_of_a_round_reruns_it_and_all_after_it(search):
    weights = f"{SEARCH}/search/round_1/winner.safetensors"
    found = planned(search, "--forcerun", weights, targets=["final_model"])
    assert found == ["search_round 1", "search_round 2", *AFTER]


def test_more_budget_adds_rounds_and_leaves_the_old_ones(search):
    edit(search, "rounds: 2", "rounds: 3")
    before = hashes(search, "search/round_*/*")
    result = snakemake(search, targets=[f"{SEARCH}/search/winner.safetensors"])
    assert sorted(jobs(result)) == ["plan", "search_round 3", "select_winner"]
    assert hashes(search, "search/round_[12]/*") == before
    assert planned(search) == ["final_train", "evaluate"]


def test_a_search_stopped_under_a_new_budget_goes_on(search):
    edit(search, "rounds: 2", "rounds: 3")
    assert jobs(snakemake(search, targets=[f"{SEARCH}/search/plan.json"])) == ["plan"]
    assert planned(search) == ["search_round 3", *AFTER]


def test_less_budget_reruns_no_round(search):
    edit(search, "rounds: 2", "rounds: 1")
    assert planned(search) == ["plan", "select_winner", "final_train", "evaluate"]


def test_another_search_is_planned_with_as_many_rounds_as_the_last_one_had(search):
    edit(search, "particles: 50", "particles: 60")
    assert planned(search) == ["search_round 1", "search_round 2", *AFTER]


def test_a_new_budget_hides_no_other_edit(search):
    edit(search, "particles: 50", "particles: 60")
    edit(search, "rounds: 2", "rounds: 3")
    found = planned(search)
    assert [name for name in found if name.startswith("search")] == [
        "search_round 1",
        "search_round 2",
        "search_round 3",
    ]


@pytest.mark.parametrize(
    ("old", "new", "stages"),
    [
        ("final: {epochs: 1", "final: {epochs: 2", ["final_train", "evaluate"]),
        ("pretrain: {epochs: 1", "pretrain: {epochs: 2", [RESULTS[1], *RESULTS[3:]]),
        ("tracking: {enabled: false}", "device: cuda", []),
        ("enabled: false", "enabled: false, uri: 'https://elsewhere'", []),
    ],
)
def test_an_edit_reruns_the_stages_it_concerns(search, old, new, stages):
    edit(search, old, new)
    found = [name for name in planned(search) if not name.startswith("track")]
    assert list(dict.fromkeys(name.split()[0] for name in found)) == stages


def test_other_threads_or_a_gpu_profile_rerun_nothing(search):
    assert planned(search, "--set-threads", "search_round=7", "--cores", "9") == []
    assert planned(search, "--profile", str(ROOT / "profiles/gpu")) == []


def test_tracking_mirrors_what_is_there_and_reruns_no_result(search):
    edit(search, "{enabled: false}", f"{{uri: {'https://localhost:9/$(touch PWNED)'!r}}}")
    mirrors = ["track_pretrain", "track_round 1", "track_round 2", "track_final"]
    assert planned(search) == mirrors
    assert jobs(snakemake(search, targets=[f"{SEARCH}/tracking/pretrain.json"])) == mirrors[:1]
    assert planned(search) == mirrors[1:]
    assert not [file for file in files_in(search) if "PWNED" in file]


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


def test_a_search_starts_from_a_network_that_was_found(search):
    """As config/prune.yaml describes it; no epoch of pretraining leaves the network as it is."""
    found = f"{SEARCH}/final/network"
    text = CONFIG.replace("tiny", "pruned").replace("{widths: [4, 8]}", f"{{network: {found}}}")
    text = text.replace("pretrain: {epochs: 1,", "pretrain: {epochs: 0,")
    (search / "mine.yaml").write_text(text)
    assert "pretrain" in jobs(snakemake(search, config="mine.yaml"))
    start, end = (
        search / f"{f}.architecture.json" for f in (found, found.replace("tiny", "pruned"))
    )
    pretrained = search / "results/pruned/nasgd/seed_0/pretrain/network.architecture.json"
    assert pretrained.read_bytes() == start.read_bytes()
    assert end.exists()


def test_a_search_without_a_legal_child_ends_and_is_tested(search):
    edit(search, "max_steps: 4}", "max_steps: 4, constraints: {max_parameters: 1}}")
    result = snakemake(search)
    assert jobs(result).count("search_round 1") == 1
    assert "ended as no child is legal" in result.stdout + result.stderr
    metrics = json.loads((search / SEARCH / "final/metrics.json").read_text())
    assert (metrics["rounds"], metrics["architectures"]) == (1, 0)


def test_a_typo_after_config_is_refused(tmp_path):
    result = snakemake(tmp_path, "--config", "sedes=[1]", config=None)
    assert result.returncode == 2
    assert "sedes: unknown key; did you mean 'seeds'?" in result.stderr


@pytest.mark.parametrize(
    ("options", "jobs_at_once"), [([], sys.maxsize), (["--max-jobs-per-timespan", "5/1s"], 5)]
)
def test_starts_a_second_are_limited_only_on_request(tmp_path, options, jobs_at_once):
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
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for command in re.findall(r"    shell:\n((?:        .*\n)+)", file.read_text()):
            placeholders = re.findall(r"\{[^}]*\}", command)
            assert placeholders, file
            assert [name for name in placeholders if not name.endswith(":q}")] == [], file


def test_the_report_is_a_target_and_stands_in_the_one_of_snakemake(search):
    assert jobs(snakemake(search, targets=["report"])) == ["report"]
    page = (search / "results/tiny/report.html").read_text()
    assert "What it gets wrong" in page and str(search) not in page
    assert planned(search, targets=["report"]) == []
    done = snakemake(search, "--report", "all.html", targets=["report"])
    assert done.returncode == 0, done.stderr
    assert "how far it can be trusted" in (search / "all.html").read_text()
