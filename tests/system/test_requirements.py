"""The pinned packages fit what pyproject.toml allows, and each of them has the sum of its file."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FILES = ("torch", "run", "test")
PIN = re.compile(r"(\S+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)")


def pins(part: str) -> dict[str, str]:
    """Read the pinned versions of a file by name; every line is a comment or belongs to a pin."""
    lines = (ROOT / f"requirements/{part}.txt").read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("#"))
    assert PIN.sub("", text).strip() == ""
    return {canonicalize_name(name): version for name, version, _ in PIN.findall(text)}


@pytest.mark.parametrize("part", FILES)
def test_every_pinned_package_has_the_sum_of_its_file(part: str) -> None:
    assert pins(part)


def test_pins_are_within_the_ranges_of_the_project() -> None:
    pinned = {name: version for part in FILES for name, version in pins(part).items()}
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["test"], *extras["docs"], *extras["export"]]
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name != "nasflow":
            assert requirement.specifier.contains(pinned[name]), requirement


def test_no_package_is_pinned_twice() -> None:
    names = [name for part in FILES for name in pins(part)]
    assert len(names) == len(set(names))
