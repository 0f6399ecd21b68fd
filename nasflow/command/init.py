"""`nasflow init FOLDER`: an experiment's folder: config, Snakefile, profile, and how to go on.

The folder runs the workflow of the clone that nasflow is installed from; results lie in it too.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from nasflow.command.choices import Choice, choice
from nasflow.command.experiment_files import config_text, profile_text, readme_text, snakefile_text
from nasflow.command.sizing import Shape, lengths, narrowed, shape
from nasflow.command.survey import Survey, survey
from nasflow.config import files as config_file
from nasflow.printable import printable, shown
from nasflow.storage.files import write

WORKFLOW = Path(__file__).parents[2] / "workflow" / "Snakefile"
PATIENCE = 2.0  # seconds of training that measure the machine
ON_GPU = 1e12  # FLOPs of training a second, not measured: there the clock ends search and training
BUSY = 0.6  # share of their time that threads compute, below which it is said
UNEVEN = 3  # largest class over smallest, from where it is said


def init(
    *,
    folder: Path,
    data: str | None = None,
    train: str | None = None,
    test: str | None = None,
    minutes: float | None = None,
    algorithm: str | None = None,
    device: str | None = None,
    cores: int | None = None,
) -> None:
    """Look at the images, measure the machine, write the files. ValueError where anything stands
    in the folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{shown(str(folder))}: not empty; expected a new or an empty folder")
    if not WORKFLOW.is_file():
        raise ValueError(
            f"init: {WORKFLOW} is missing; nasflow is installed without its workflow; clone its "
            "repository and `pip install -e` that"
        )
    flags = {"data": data, "train": train, "test": test, "minutes": minutes}
    chosen = choice(folder, flags | {"algorithm": algorithm, "device": device, "cores": cores})
    found = survey(chosen.source, chosen.train, chosen.test)
    shaped = shape(found, chosen.minutes)
    for line in told(found, shaped):
        print(line)
    speed = _speed(chosen, shaped, len(found.classes)) if chosen.device == "cpu" else None
    terms = (len(found.classes), chosen.minutes, speed or ON_GPU)
    shaped = narrowed(shaped, *terms)
    sized = lengths(shaped, *terms)
    readme = readme_text(chosen, folder, WORKFLOW, _programs())
    texts = {
        "config.yaml": config_text(chosen, shaped, sized, speed),
        "Snakefile": snakefile_text(WORKFLOW),
        "profiles/default/profile.yaml": profile_text(),
        "README.md": readme,
    }
    for name, text in texts.items():
        write(folder / name, text.encode())
    config_file.check(files=[folder / "config.yaml"])
    print("\n" + readme.split("```sh\n")[1].split("```")[0].rstrip())


def told(found: Survey, shaped: Shape) -> list[str]:
    """What was seen, and what is made of it."""
    height, width, channels = found.size
    sizes = (
        f"{height} x {width}" if found.uniform else f"of several sizes, median {height} x {width}"
    )
    kind = "grey" if channels == 1 else "colour"
    test = f", {found.test:,} test images" if found.test else "; a fifth is held out for the test"
    lines = [f"{found.images:,} images, {sizes}, {kind}{test}"]
    least, most = (pick(found.classes, key=lambda c: found.classes[c]) for pick in (min, max))
    few, many = found.classes[least], found.classes[most]
    spread = f"{few:,} images each" if few == many else f"{few:,} to {many:,} images each"
    lines.append(f"{len(found.classes)} classes, {spread}")
    if many > UNEVEN * few:
        lines.append(
            f"uneven: '{printable(most)}' has {many / max(few, 1):.1f} times the images of "
            f"'{printable(least)}'; accuracy then says more of the former"
        )
    if shaped.size is not None:
        lines.append(f"resized to {shaped.size} x {shaped.size} (data.size)")
    return lines


def _speed(chosen: Choice, shaped: Shape, classes: int) -> float:
    """FLOPs of training a second; what it was is printed."""
    from nasflow.command.speed import training_speed  # imports torch

    grown = shaped.grown(classes)
    speed, share = training_speed(grown, shaped.final_batch, chosen.threads, PATIENCE)
    print(f"training measured: {speed:.2g} FLOPs a second, {chosen.threads} threads")
    if share < BUSY:
        print(
            f"the threads could compute {share:.0%} of the time: the machine is busy, and the "
            "lengths below are short for a quiet one"
        )
    return speed


def _programs() -> Path | None:
    """Where snakemake and nasflow are, if typing their names does not start these."""
    own = Path(sys.executable).parent
    found = shutil.which("snakemake")
    return None if found and Path(found).parent == own else own
