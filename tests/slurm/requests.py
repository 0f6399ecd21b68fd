"""What the plugin asks `sbatch` for, with each block of `profiles/slurm`."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

import yaml
from places import ROOT

PROFILE = ROOT / "profiles/slurm/profile.yaml"


def blocks() -> dict[str, dict[str, Any]]:
    """Return the resources of search_round: those of the profile, and those in its comments."""
    text = PROFILE.read_text()
    profile = yaml.safe_load(text)
    found = {"one GPU": profile["set-resources"]["search_round"]}
    for part in text.split("#\n# - for ")[1:]:
        title, *lines = part.splitlines()
        block = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
        name = title.partition(";")[0].partition(" (")[0].rstrip(":")
        found[name] = yaml.safe_load("\n".join(block))["search_round"]
    return found


class Resources(dict[str, Any]):
    """Resources of a job, which the plugin reads by `get` and as attributes."""

    __getattr__ = dict.__getitem__


def sbatch(resources: dict[str, Any], gpu: int, folder: str) -> list[str]:
    """Return the command that the plugin runs, without what the job is to do.

    Args:
        resources: the resources of search_round in a profile.
        gpu: the GPUs that the rule asks for.
        folder: the folder of the job; its output goes to the file `log` there.
    """
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string

    profile = yaml.safe_load(PROFILE.read_text())
    given = profile["default-resources"] | {"gpu": gpu} | resources
    given["slurm_extra"] = given["slurm_extra"].strip("'")  # Snakemake evaluates the string
    job = SimpleNamespace(resources=Resources(given), threads=2)
    settings = SimpleNamespace(
        requeue=profile["slurm-requeue"], no_requeue=False, qos=None, reservation=None
    )
    facts = {"run_uuid": "job", "slurm_logfile": f"{folder}/log", "comment_str": "search_round"}
    facts |= {"account": "", "partition": "-p pair", "workdir": folder}
    return shlex.split(get_submit_command(job, facts, settings) + set_gres_string(job))
