"""Snakemake that asks Slurm for the states of its jobs every second.

The plugin waits 10 s longer from one question to the next, up to 180 s, which suits jobs of hours.
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, value: None)
sys.exit(main())
