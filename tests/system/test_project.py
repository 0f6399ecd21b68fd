"""What several files say about the project agrees: its version, and where its repository is."""

from __future__ import annotations

import re
import tomllib

import yaml
from places import ROOT

from nasflow.version import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
README = (ROOT / "README.md").read_text()


def test_the_version_has_one_source() -> None:
    assert CITATION["version"] == __version__
    assert PROJECT["project"]["dynamic"] == ["version"] and "version" not in PROJECT["project"]
    source = PROJECT["tool"]["setuptools"]["dynamic"]["version"]
    assert source == {"attr": "nasflow.version.__version__"}
    assert "version" not in (ROOT / "setup.py").read_text()
    elsewhere = [
        path.name
        for path in (*(ROOT / "nasflow").rglob("*.py"), ROOT / "docs/conf.py", ROOT / "Snakefile")
        if f'"{__version__}"' in path.read_text()
    ]
    assert elsewhere == ["version.py"]


def test_the_address_of_the_repository_is_one() -> None:
    (address,) = {
        PROJECT["project"]["urls"]["Repository"],
        CITATION["repository-code"],
        *re.findall(r"git clone (https://\S+?)[`\s]", README),
    }
    assert address.startswith("https://")
    assert "git clone" in README


def test_the_readme_has_two_commands_and_ci_runs_them() -> None:
    section = README.split("## Two commands")[1].split("\n## ")[0]
    block = section.split("```sh\n")[1].split("```")[0]
    main, tests = [line for line in block.splitlines() if line and not line.startswith("#")]
    script = (ROOT / ".ci/run").read_text()
    for part in main.split(" && ") + tests.split(" && "):
        words = part.replace(".venv/bin/pip install ", "").strip()
        assert words in script, f"{words} is a part of .ci/run"


def test_the_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)", README)
    assert len(links) > 20
    assert not [link for link in links if not (ROOT / link).is_file()]
