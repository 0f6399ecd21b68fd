"""The texts of the files of a new experiment."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Literal

from nasflow.config.kinds import PARTICLES, Precision
from nasflow.planning.augmenting import Changes
from nasflow.planning.choices import Choice
from nasflow.planning.photographs import UNCROPPED, Suited
from nasflow.planning.sizing import CHILDREN, Lengths, Shape, mirrored
from nasflow.planning.symmetry import SMALL_UNTIL, SMALLER, Symmetry

CONFIG = """\
# Made by `nasflow init` or `nasflow fit`. Keys that are not named here keep the values of nasflow's
# config/config.yaml, which explains every key. After a change, `nasflow check config.yaml` reports
# what is wrong. The choices below are those of docs/recipe.md, which tells what each is worth.
experiment: {name}
algorithms: [{algorithms}]
seeds: [{seeds}]
device: {device}
threads: {threads}
data:
{data}
augment:
  flip: {flip} # mirrors half of the images{why_flip}
  shift: {shift} # shifts images by up to so many pixels{why_shift}
  crop: {crop} # smallest part of an image that a random crop keeps; {why_crop}
base: # the first round trains these networks for equal seconds, and takes one of them as g_0
  portfolio: {portfolio}{why_width}
  portfolio_part: {part}
pretrain:
  epochs: 0 # all networks of the portfolio begin with random weights
  precision: {precision}
  optimizer: muon
search: # one step size for the whole search; it falls to zero in the final training
  precision: {precision}
  optimizer: muon
  momentum: 0.6
  lambda_start: 0.1
  lambda_final: 0.1
  batch_size: {batch}
  validation_batch_size: {validation_batch}
  equal: seconds
  moves: compound
  n_neigh: {children}
  retire: 5.0 # a child that has fallen behind for good stops
  weight_average: 10
  window: 15
  burn_in: 25
  warmup_steps: 40
  max_steps: 2000
  constraints:
    max_conv_layers: 40
    max_inputs: 16
    max_flops: null # seconds bound the network: a dearer child has fewer steps
baselines:
  n_neigh: {all_children}
  n_morphisms: 1
  epochs_neigh: 0.5
  lambda_start: 0.1
budget:
  rounds: {rounds}
  seconds: {search}
final:
  precision: {precision}
  epochs: null
  # of pretraining, rounds and final training; {minutes:g} minutes in all{shared}
  total_seconds: {total}
  batch_size: {batch}
  optimizer: muon
  momentum: 0.6
  lambda_start: 0.1
  schedule: linear
  warmup: 0.05
  weight_decay: 5.0e-4
  label_smoothing: 0.1
  shards: {threads}
  resize: {resize} # side of the images at first, relative to their own{why_resize}
  resize_until: {until} # part of the time after which they have their own side
  alternating_flip: true # where images are mirrored: each of them in every second epoch
  use_validation: true # no choice is left to make: the validation images are trained on, too
tracking: # the mirror in MLflow takes 20 s of a core; `nasflow track --all results` makes it too
  enabled: {tracked}
"""

PROFILE = """\
# Snakemake reads this profile in this folder. It says how jobs run, and never what they compute.
configfile: [{files}]
rerun-triggers: [mtime, params, input, code, software-env]
rerun-incomplete: true
keep-going: true
max-checksum-file-size: 1000000000
# The terminal shows warnings, errors and what stages say; all messages are in .snakemake/log.
quiet: [rules, progress, host, reason]
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


def config_text(
    chosen: Choice,
    shaped: Shape,
    sized: Lengths,
    precision: Precision,
    changes: Changes,
    crop: Suited = UNCROPPED,
) -> str:
    """Write config.yaml.

    Args:
        chosen: what the user wants.
        shaped: the sizes that follow from the images.
        sized: the lengths that follow from the time.
        precision: the number format that trains fastest here.
        changes: which changes of an image keep its class.
        crop: whether images are cropped.
    """
    baseline = [chosen.baseline] if chosen.baseline else []
    shared = f", shared by {chosen.trainings} trainings" if chosen.trainings > 1 else ""
    return CONFIG.format(
        **chosen._asdict() | sized._asdict() | {"seeds": ", ".join(map(str, range(chosen.seeds)))},
        algorithms=", ".join([chosen.algorithm, *baseline]),
        rounds=1 if sized.part == 1.0 and chosen.algorithm in PARTICLES else "null",
        shared=shared,
        tracked=json.dumps(mirrored(chosen)),
        threads=chosen.threads,
        data=_data(chosen, shaped),
        flip=json.dumps(changes.flip),
        why_flip=_why(changes.told, "mirrored"),
        shift=shaped.shift if changes.shift else 0,
        crop=crop.crop,
        why_crop=crop.why,
        resize=SMALLER if changes.coarse and sized.small(shaped) else 1.0,
        why_resize=_why(changes.told, "coarse"),
        until=SMALL_UNTIL,
        why_shift=_why(changes.told, "shifted"),
        portfolio=f"[{', '.join(sized.portfolio)}]",
        why_width=f" # there is time for {sized.width:g} times the filters" * (sized.width > 1.0),
        precision=precision,
        children=CHILDREN,
        all_children=CHILDREN + 1,
        batch=shaped.batch,
        validation_batch=shaped.validation_batch,
    )


def _why(told: Symmetry | None, change: Literal["mirrored", "shifted", "coarse"]) -> str:
    """Return what a quick classifier said about a change, as the end of a comment."""
    if told is None:
        return ""
    if told.knows or change == "coarse":
        accuracies = told.accuracy, getattr(told, change)
        return "; a quick classifier is right in {:.0%}, and then in {:.0%}".format(*accuracies)
    noticed = {"mirrored": told.mirrored_noticed, "shifted": told.shifted_noticed}[change]
    return f"; a quick classifier knows no class here, and notices the change in {noticed:.0%}"


def _data(chosen: Choice, shaped: Shape) -> str:
    """The keys of the section `data`."""
    lines = [f"source: {chosen.source}"]
    lines += [
        f"{key}: {json.dumps(str(path), ensure_ascii=False)}"
        for key, path in (
            ("train", chosen.train),
            ("validation", chosen.validation),
            ("test", chosen.test),
        )
        if path is not None
    ]
    if shaped.size is not None:
        lines.append(
            f"size: {shaped.size} # pixels of a side; twice the side costs four times the time"
        )
    return "\n".join(f"  {line}" for line in lines)


def snakefile_text(workflow: Path) -> str:
    """Write the Snakefile, which includes the workflow of nasflow."""
    return (
        "# This runs nasflow's workflow with the config.yaml of this folder.\n"
        f"include: {str(workflow)!r}\n\n\n"
        'workflow.default_target = "final_model"\n'
    )


def profile_text(*, own: bool = False) -> str:
    """Write profiles/default/profile.yaml.

    Args:
        own: whether own.yaml lies over config.yaml.
    """
    return PROFILE.format(files="config.yaml, own.yaml" if own else "config.yaml")


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
