"""Puts the top-level folders of the program into the wheel, as `nasflow/shipped`.

Everything else about the package stands in pyproject.toml. In the repository, and after
`pip install --editable`, nasflow reads these folders where they are (nasflow.place).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
FOLDERS = ("workflow", "config", "profiles", "examples")
SKIPPED = shutil.ignore_patterns("package", "__pycache__")


class BuildWithFolders(build_py):
    """Copy the folders beside the modules."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "nasflow" / "shipped"
        shutil.rmtree(target, ignore_errors=True)
        for name in FOLDERS:
            shutil.copytree(HERE / name, target / name, ignore=SKIPPED)
        shutil.copy(HERE / "Snakefile", target / "Snakefile")


setup(cmdclass={"build_py": BuildWithFolders})
