"""The command `nasflow init FOLDER`: make the folder of a new experiment.

The folder gets a configuration, a Snakefile, a profile, and a README that says how to go on. It
runs the workflow of the clone from which nasflow is installed. Results are written into it too.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from nasflow.architecture.templates import TEMPLATES
from nasflow.command.augmenting import Changes, changes
from nasflow.command.choices import Choice, choice
from nasflow.command.experiment_files import config_text, profile_text, readme_text, snakefile_text
from nasflow.command.sizing import PORTFOLIO, Shape, lengths, shape, training_seconds
from nasflow.command.survey import Survey, survey
from nasflow.config import files as config_file
from nasflow.config.kinds import Precision
from nasflow.data.inventory import UNEVEN
from nasflow.place import root
from nasflow.printable import printable, shown
from nasflow.storage.files import write

WORKFLOW = root() / "workflow" / "Snakefile"
PATIENCE = 1.0  # seconds of training in which the speed of a number format is measured
PLENTY = 1000.0  # passes over the images, assumed on a GPU
BUSY = 0.6  # the user is told where threads compute less than this fraction of their time


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
    """Look at the images, measure the machine, and write the files.

    Args:
        folder: the folder to make; it must be new or empty.
        data: `data.source` of the configuration; None asks on the terminal.
        train: own training images.
        test: own test images; None holds out a fifth of the others.
        minutes: time for the whole search; None is 20.
        algorithm: the algorithm of the search; None is nasgd.
        device: where networks live; None is the CPU.
        cores: cores to use; None is all of this machine.

    Raises:
        ValueError: if the folder is not empty, a flag is not allowed, or no image is found.
    """
    _check(folder)
    flags = {"data": data, "train": train, "test": test, "minutes": minutes}
    chosen = choice(folder, flags | {"algorithm": algorithm, "device": device, "cores": cores})
    found = survey(chosen.source, chosen.train, chosen.test)
    shaped = shape(found, chosen.minutes)
    for line in told(found, shaped):
        print(line)
    readme = readme_text(chosen, folder, WORKFLOW, _programs())
    texts = {
        "config.yaml": _config(chosen, shaped, len(found.classes)),
        "Snakefile": snakefile_text(WORKFLOW),
        "profiles/default/profile.yaml": profile_text(),
        "README.md": readme,
    }
    for name, text in texts.items():
        write(folder / name, text.encode())
    config_file.check(files=[folder / "config.yaml"])
    print("\n" + readme.split("```sh\n")[1].split("```")[0].rstrip())


def _check(folder: Path) -> None:
    """Raise ValueError where the folder is not empty, or nasflow has no workflow."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{shown(str(folder))}: not empty; expected a new or an empty folder")
    if not WORKFLOW.is_file():
        raise ValueError(
            f"init: {WORKFLOW} is missing; nasflow is installed without its workflow; clone its "
            "repository and run `pip install -e` in the clone"
        )


def _config(chosen: Choice, shaped: Shape, classes: int) -> str:
    """The text of config.yaml, with lengths that fit the time."""
    precision, passes = _measured(chosen, shaped, classes)
    sized = lengths(chosen.minutes, passes)
    if sized.part == 1.0:
        print(f"the search chooses among {len(PORTFOLIO)} networks; there is no time to grow them")
    allowed = changes(chosen, shaped.size, shaped.shift)
    for line in _augmented(allowed, shaped.shift):
        print(line)
    return config_text(chosen, shaped, sized, precision, allowed)


def _augmented(allowed: Changes, shift: int) -> list[str]:
    """The lines that say how training varies the images."""
    words = ["mirrored"] * allowed.flip + [f"shifted by up to {shift} px"] * allowed.shift
    return [f"training images are {' and '.join(words) or 'not varied'} (augment)"]


def told(found: Survey, shaped: Shape) -> list[str]:
    """The lines that say what images were found, and what is made of them."""
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
            f"'{printable(least)}'; accuracy then says more about the former"
        )
        lines.append("with data.class_weights: balanced every class counts as much as the others")
    if shaped.size is not None:
        lines.append(f"resized to {shaped.size} x {shaped.size} (data.size)")
    return lines


def _measured(chosen: Choice, shaped: Shape, classes: int) -> tuple[Precision, float]:
    """Return the number format that trains faster here, and the passes over the images in the time.

    Each format is tried for PATIENCE seconds. On a GPU nothing is measured."""
    if chosen.device != "cpu":
        return Precision.BFLOAT16, PLENTY
    from nasflow.command.speed import training_speed  # imports torch

    g = TEMPLATES[PORTFOLIO[0]](shaped.image, classes)
    kinds = (Precision.FLOAT32, Precision.BFLOAT16)
    found = {
        kind: training_speed(g, shaped.batch, chosen.threads, PATIENCE, kind) for kind in kinds
    }
    fastest = max(kinds, key=lambda kind: found[kind].flops)
    speed = found[fastest]
    passes = training_seconds(chosen.minutes) * speed.flops / (3.0 * g.flops * shaped.train)
    print(
        f"training measured: {speed.flops:.2g} FLOPs per second, {chosen.threads} threads, "
        f"{fastest}; {PORTFOLIO[0]} would see each image {passes:.0f} times in this time"
    )
    if speed.busy < BUSY:
        print(
            f"the threads could compute {speed.busy:.0%} of the time: the machine is busy; on an "
            "idle machine the same seconds do more"
        )
    return fastest, passes


def _programs() -> Path | None:
    """The folder of the programs snakemake and nasflow, or None where PATH finds them."""
    own = Path(sys.executable).parent
    found = shutil.which("snakemake")
    return None if found and Path(found).parent == own else own
