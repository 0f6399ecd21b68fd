"""The texts of the files of a new experiment."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from nasflow.command.choices import Choice
from nasflow.command.sizing import CHILDREN, Lengths, Shape

CONFIG = """\
# Made by `nasflow init`. Keys that are not named here keep the values of nasflow's
# config/config.yaml, which explains every key. After a change, `nasflow check config.yaml` reports
# what is wrong.
experiment: {name}
algorithms: [{algorithm}]
seeds: [0]
device: {device}
threads: {threads}
data:
{data}
augment:
  flip: {flip} # mirrors half of the images; false where left and right differ, as in letters
  shift: {shift}
base:
  widths: {widths}
# {why}
pretrain:
  epochs: {pretrain_epochs}
  batch_size: {batch}
search:
  n_neigh: {children}
  epochs_neigh: {cycle_epochs} # the step size falls along one cosine over the whole search
  lambda_start: 0.1
  lambda_final: 0.01
  max_steps: {max_steps}
  batch_size: {batch}
  validation_batch_size: {validation_batch}
  warmup_steps: {warmup}
  window: 60
  confidence: 2.0
  constraints:
    max_flops: {largest} # per image; bound for a child
baselines:
  epochs_neigh: {baseline_epochs}
budget:
  rounds: null
  steps: {steps}
  flops: {max_flops} # per image: the search ends when its network has this size
{seconds}final:
{final}
  batch_size: {final_batch}
  optimizer: muon
  lambda_start: 0.1
  momentum: 0.6
  warmup: 0.1
  weight_decay: 5.0e-4
  label_smoothing: 0.1
"""

PROFILE = """\
# Snakemake reads this profile in this folder. It says how jobs run, and never what they compute.
configfile: [config.yaml]
rerun-triggers: [mtime, params, input, code, software-env]
rerun-incomplete: true
keep-going: true
max-checksum-file-size: 1000000000
"""

README = """\
# {name}

This is an experiment of nasflow. It takes about {minutes:g} minutes on {cores} cores of the machine
on which it was made. Run these commands in this folder:

```sh
{commands}
```

`config.yaml` says what is searched and for how long. `Snakefile` and `profiles/default` run the
workflow in `{workflow}`. Results are written to `results/{name}`. After a crash of the machine, run
`{nasflow} resume --cores {cores} final_model`.
"""


def config_text(chosen: Choice, shaped: Shape, sized: Lengths, speed: float | None) -> str:
    """Write config.yaml.

    Args:
        chosen: what the user wants.
        shaped: the sizes that follow from the images.
        sized: the lengths that follow from the time.
        speed: FLOPs of training per second as measured; None lets seconds end search and training.
    """
    why, final = _time(chosen, sized, speed)
    return CONFIG.format(
        **chosen._asdict(),
        **sized._asdict() | {"max_flops": f"{sized.max_flops:.2e}"},
        threads=chosen.threads,
        data=_data(chosen, shaped),
        flip=json.dumps(shaped.image[0] == 3 and chosen.source != "svhn"),
        shift=shaped.shift,
        widths=list(shaped.widths),
        why=why,
        children=CHILDREN,
        warmup=min(50, sized.max_steps // 4),
        batch=shaped.batch,
        validation_batch=shaped.validation_batch,
        largest=f"{1.15 * sized.max_flops:.2e}",
        baseline_epochs=sized.cycle_epochs,
        seconds="" if speed is not None else f"  seconds: {0.16 * (60.0 * chosen.minutes):g}\n",
        final=final,
        final_batch=shaped.final_batch,
    )


def _time(chosen: Choice, sized: Lengths, speed: float | None) -> tuple[str, str]:
    """How the time became sizes, in words, and the lines that end the final training."""
    why = f"Sizes for {chosen.minutes:g} minutes"
    if speed is None:
        return (
            f"{why} of wall clock on {chosen.device}; results vary with the machine's speed",
            f"  epochs: null\n  total_seconds: {60.0 * chosen.minutes:g}"
            " # with pretraining and search",
        )
    return (
        f"{why}, at the {speed:.2g} FLOPs per second at which training was measured",
        f"  epochs: null\n  flops: {sized.final_flops:.2e} # 3 x FLOPs of the network x images",
    )


def _data(chosen: Choice, shaped: Shape) -> str:
    """The keys of the section `data`."""
    lines = [f"source: {chosen.source}"]
    lines += [
        f"{key}: {json.dumps(str(path), ensure_ascii=False)}"
        for key, path in (("train", chosen.train), ("test", chosen.test))
        if path is not None
    ]
    if shaped.size is not None:
        lines.append(
            f"size: {shaped.size} # pixels of a side; twice the side costs four times the time"
        )
    return "\n".join(f"  {line}" for line in lines)


def snakefile_text(workflow: Path) -> str:
    """Write the Snakefile, which includes the workflow of the clone."""
    return (
        "# This runs nasflow's workflow with the config.yaml of this folder.\n"
        f"include: {str(workflow)!r}\n\n\n"
        'workflow.default_target = "final_model"\n'
    )


def profile_text() -> str:
    """Write profiles/default/profile.yaml."""
    return PROFILE


def readme_text(chosen: Choice, folder: Path, workflow: Path, programs: Path | None) -> str:
    """Write README.md.

    Args:
        chosen: what the user wants.
        folder: the folder of the experiment.
        workflow: the workflow of the clone.
        programs: the folder of snakemake and nasflow; None where PATH finds them.
    """
    snakemake, nasflow = (
        shlex.quote(str(programs / name)) if programs else name for name in ("snakemake", "nasflow")
    )
    results = f"results/{chosen.name}"
    search = f"{results}/{chosen.algorithm}/seed_0"
    commands = {
        f"cd {shlex.quote(str(folder.absolute()))}": "",
        f"{snakemake} --cores {chosen.cores} final_model": "run all of it, or go on after a stop",
        f"{nasflow} show {results}": "show what there is so far",
        f"{nasflow} show {search}": "show the search round by round",
        f"{nasflow} predict {search}/final PICTURES": "print the labels of images",
        f"{nasflow} export {search}/final --to python --out network": "for use without nasflow",
    }
    lines = [f"# {meaning}\n{c}" if meaning else c for c, meaning in commands.items()]
    return README.format(
        **chosen._asdict(), commands="\n".join(lines), nasflow=nasflow, workflow=workflow.parent
    )
