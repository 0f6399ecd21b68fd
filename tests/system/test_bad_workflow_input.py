"""Bad input as Snakemake meets it.

Snakemake reads the configuration before the workflow begins: it answers a file that is no YAML
itself, with exit code 1. `nasflow check` says the same in one line with exit code 2.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import warm
from bad_input import HOSTILE, bomb
from places import ROOT


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--dry-run"]
    return warm.run([*words, *arguments], folder, timeout=120, merged=True)


def written(folder: Path) -> list[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.parts[0] != ".snakemake")


SNAKEMAKE: list[tuple[str, str, int, str]] = [
    ("no YAML", "experiment: [a\nseeds: 1\n", 1, "not valid JSON or YAML"),
    ("tab", "data:\n\tsize: 8\n", 1, "whitespace and tab indentation"),
    ("empty", "", 1, "keys at top level"),
    ("tag", "experiment: !!python/object/apply:os.system ['touch PWNED']", 1, "not valid"),
    ("duplicate", "seeds: [1]\nseeds: [2]\n", 2, "mine.yaml: seeds: stands twice"),
    ("bomb", bomb(), 2, "values once its aliases are unfolded"),
    ("hostile", json.dumps({"experiment": HOSTILE[6], HOSTILE[0]: 1}), 2, "$(touch PWNED)"),
]


@pytest.mark.workflow
@pytest.mark.parametrize(("name", "text", "code", "said"), SNAKEMAKE)
def test_snakemake_with_a_bad_file(
    name: str, text: str, code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    result = snakemake(tmp_path, "--configfile", "mine.yaml")
    assert (result.returncode, "Traceback" in result.stdout) == (code, False), result.stdout
    assert said in result.stdout
    assert written(tmp_path) == ["mine.yaml"]


@pytest.mark.workflow
@pytest.mark.parametrize("link", ["photos/old", "photos/one/x.png"])
def test_a_link_that_leads_nowhere_is_refused_before_anything_is_deleted(
    link: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("data: {source: folder, train: photos}\n")
    (tmp_path / "photos/one").mkdir(parents=True)
    (tmp_path / link).symlink_to("/nowhere")
    result = snakemake(tmp_path, "--configfile", "mine.yaml")
    said = [line for line in result.stdout.splitlines() if line.startswith("nasflow: ")]
    assert len(said) == 1
    assert said[0].startswith(f"nasflow: data.train: {link}: a link that leads nowhere; expected")
    assert (result.returncode, "Traceback" in result.stdout) == (2, False), result.stdout


@pytest.mark.workflow
def test_snakemake_without_its_file(tmp_path: Path) -> None:
    """Snakemake 9.27 ends with a traceback of its own; `nasflow check` is case 42."""
    result = snakemake(tmp_path, "--configfile", "absent.yaml")
    assert (result.returncode, "No such file or directory: 'absent.yaml'" in result.stdout) == (
        1,
        True,
    )
    assert not written(tmp_path)


@pytest.mark.workflow
@pytest.mark.parametrize(
    "target",
    [
        "results/digits/-rf/seed_0/final/metrics.json",
        "results/digits/nasgd/seed_0/search/round_1/../../../../../../evil",
        "results/digits/nasgd/seed_\u0660/final/metrics.json",
    ],
)
def test_a_hostile_wildcard_belongs_to_no_rule(target: str, tmp_path: Path) -> None:
    result = snakemake(tmp_path, "--", target)
    assert (result.returncode, "MissingRuleException" in result.stdout) == (1, True)
    assert not written(tmp_path)


@pytest.mark.workflow
def test_a_file_in_the_place_of_the_results_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    result = snakemake(tmp_path)
    assert (result.returncode, "Traceback" in result.stdout) == (2, False), result.stdout
    assert "nasflow: results: no folder; expected a folder, or nothing" in result.stdout
    assert (tmp_path / "results").read_text() == "a file"


@pytest.mark.workflow
def test_numbers_inside_of_the_option_config_are_numbers(tmp_path: Path) -> None:
    """Snakemake 9.27 hands them on as text."""
    result = snakemake(tmp_path, "--config", "budget={rounds: 2}", "seeds=[1]", "--", "final_model")
    assert result.returncode == 0, result.stdout
    assert "results/digits/nasgd/seed_1/" in result.stdout
    result = snakemake(tmp_path, "--config", "budget={rounds: two}", "--", "final_model")
    assert result.returncode == 2
    assert "nasflow: --config: budget.rounds: 'two'; expected a whole number" in result.stdout
    assert "config.yaml: budget" not in result.stdout
