"""The files of a new experiment, as text."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from nasflow.command.choices import Choice
from nasflow.command.sizing import CHILDREN, Lengths, Shape

CONFIG = """\
# Made by `nasflow init`. What is not named here is as in nasflow's config/config.yaml, which
# explains every key; `nasflow check config.yaml` says what is wrong after a change.
experiment: {name}
algorithms: [{algorithm}]
seeds: [0]
device: {device}
threads: {threads}
data:
{data}
augment:
  flip: {flip} # mirror half of the images; false where left and right differ, as in letters
  shift: {shift}
base:
  widths: {widths}
# {why}
pretrain:
  epochs: {pretrain_epochs}
  batch_size: {batch}
search:
  n_neigh: {children}
  epochs_neigh: {cycle_epochs} # one cosine over the whole search
  lambda_start: 0.1
  lambda_final: 0.01
  max_steps: {max_steps}
  batch_size: {batch}
  validation_batch_size: {validation_batch}
  warmup_steps: {warmup}
  window: 60
  confidence: 2.0
  constraints:
    max_flops: {largest} # an image, of a child
baselines:
  epochs_neigh: {baseline_epochs}
budget:
  rounds: null
  steps: {steps}
  flops: {max_flops} # an image: the search ends with a network of that size
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
# How jobs run, read by Snakemake in this folder; nothing here changes what they compute.
configfile: [config.yaml]
rerun-triggers: [mtime, params, input, code, software-env]
rerun-incomplete: true
keep-going: true
max-checksum-file-size: 1000000000
"""

README = """\
# {name}

An experiment of nasflow, about {minutes:g} minutes on {cores} cores of the machine that it was
made on. In this folder:

```sh
{commands}
```

`config.yaml` says what is searched and for how long; `Snakefile` and `profiles/default` run the
workflow in `{workflow}`. Results come to `results/{name}`. After a crash of the machine:
`{nasflow} resume --cores {cores} final_model`.
"""


def config_text(chosen: Choice, shaped: Shape, sized: Lengths, speed: float | None) -> str:
    """config.yaml; without a speed the clock ends search and training."""
    seconds = 60.0 * chosen.minutes
    final = f"  epochs: null\n  flops: {sized.final_flops:.2e} # 3 x FLOPs of the network x images"
    why = f"Sizes for {chosen.minutes:g} minutes"
    if speed is None:
        final = f"  epochs: null\n  total_seconds: {seconds:g} # with pretraining and search"
        why += f" of the clock on {chosen.device}; results vary with the machine's speed"
    else:
        why += f", at the {speed:.2g} FLOPs a second at which training was measured"
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
        seconds="" if speed is not None else f"  seconds: {0.16 * seconds:g}\n",
        final=final,
        final_batch=shaped.final_batch,
    )


def _data(chosen: Choice, shaped: Shape) -> str:
    lines = [f"source: {chosen.source}"]
    lines += [
        f"{key}: {json.dumps(str(path), ensure_ascii=False)}"
        for key, path in (("train", chosen.train), ("test", chosen.test))
        if path is not None
    ]
    if shaped.size is not None:
        lines.append(f"size: {shaped.size} # pixels of a side; larger ones cost their square")
    return "\n".join(f"  {line}" for line in lines)


def snakefile_text(workflow: Path) -> str:
    return (
        "# nasflow's workflow, on this folder's config.yaml.\n"
        f"include: {str(workflow)!r}\n\n\n"
        'workflow.default_target = "final_model"\n'
    )


def profile_text() -> str:
    return PROFILE


def readme_text(chosen: Choice, folder: Path, workflow: Path, programs: Path | None) -> str:
    """README.md; `programs`: the folder of the commands where PATH does not find them."""
    snakemake, nasflow = (
        shlex.quote(str(programs / name)) if programs else name for name in ("snakemake", "nasflow")
    )
    results = f"results/{chosen.name}"
    search = f"{results}/{chosen.algorithm}/seed_0"
    commands = {
        f"cd {shlex.quote(str(folder.absolute()))}": "",
        f"{snakemake} --cores {chosen.cores} final_model": "all of it; after a stop it goes on",
        f"{nasflow} show {results}": "what there is so far",
        f"{nasflow} show {search}": "the path of the centre",
        f"{nasflow} predict {search}/final PICTURES": "labels and probabilities",
        f"{nasflow} export {search}/final --to python --out network": "without nasflow",
    }
    lines = [f"# {meaning}\n{c}" if meaning else c for c, meaning in commands.items()]
    return README.format(
        **chosen._asdict(), commands="\n".join(lines), nasflow=nasflow, workflow=workflow.parent
    )
