"""All kernels are compiled before a training begins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from places import TESTS


def test_training_compiles_no_kernel_that_prepare_has_not(tmp_path: Path) -> None:
    """The test runs in a process of its own: other tests call kernels with maps of other
    layouts."""
    script = """
import sys
from pathlib import Path
import rounds
from nasflow.kernels import batch_norm_kernels as kernels
from nasflow.kernels import global_average, max_pool, mixing, smooth_kernels
from nasflow.network import network
network.compile_kernels()
rounds.run(rounds.prepare(Path(sys.argv[1])), "round", 1, max_steps=6)
own = [kernels.forward, kernels.backward, smooth_kernels.forward, smooth_kernels.backward]
own += [global_average.means, global_average.spread]
own += [max_pool.highest, max_pool.give_back, mixing.blend, mixing.separate]
for kernel in own:
    assert len(kernel.signatures) == 2  # float32 and bfloat16
"""
    here = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, env=os.environ | {"PYTHONPATH": here}, check=True, capture_output=True)
