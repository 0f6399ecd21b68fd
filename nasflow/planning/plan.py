"""The plan of an experiment: the files of its folder, made from a look at images and machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from nasflow.architecture.templates import TEMPLATES
from nasflow.config.kinds import Precision
from nasflow.data.inventory import UNEVEN
from nasflow.place import root
from nasflow.planning.augmenting import changes
from nasflow.planning.choices import Choice
from nasflow.planning.experiment_files import (
    config_text,
    profile_text,
    readme_text,
    snakefile_text,
)
from nasflow.planning.photographs import suited
from nasflow.planning.sizing import PORTFOLIO, TESTED, Shape, lengths, shape, training_seconds
from nasflow.planning.survey import Survey, survey
from nasflow.printable import printable

WORKFLOW = root() / "workflow" / "Snakefile"
CONFIG = "config.yaml"
PATIENCE = 1.0  # seconds of training in which the speed of a number format is measured
PLENTY = 1000.0  # passes over the images per second, assumed on a GPU
SLOW = 0.1  # the user is told where reading the images takes a larger part of the time
BUSY = 0.6  # the user is told where threads compute less than this fraction of their time

Say = Callable[[str], None]
Elapsed = Callable[[], float]


class Plan(NamedTuple):
    """What an experiment will be.

    Attributes:
        files: the text of each file of its folder, by its name.
        commands: the commands that run the experiment and look at it, one per line.
    """

    files: dict[str, str]
    commands: str


def plan(
    chosen: Choice,
    folder: Path,
    say: Say,
    own: str = "",
    elapsed: Elapsed = lambda: 0.0,
    *,
    front: int = 1,
) -> Plan:
    """Look at the images, measure the machine, and write the texts of the files.

    Args:
        chosen: what the user wants.
        folder: the folder of the experiment.
        say: is called with each line for the user, as soon as it is known.
        own: the text of own.yaml, a configuration that lies over the planned one, or nothing.
        elapsed: tells the seconds of the user's minutes that are gone already.
        front: the networks that are tested at the end. Those of a front are tested in float32 and
            in int8, on one core. They are smaller than the found one, so that one of them takes
            about as long as the test of that one (CIFAR-10, six networks: 91 s instead of 16).

    Raises:
        ValueError: if there is no usable image, or nasflow has no workflow.
    """
    if not WORKFLOW.is_file():
        raise ValueError(
            f"{WORKFLOW} is missing; nasflow is installed without its workflow; clone its "
            "repository and run `pip install -e` in the clone"
        )
    found = survey(chosen.source, chosen.train, chosen.test, chosen.validation, chosen.labels)
    shaped = shape(found, chosen.size)
    for line in told(found, shaped):
        say(line)
    readme = readme_text(chosen, folder, WORKFLOW, _programs())
    texts = {
        CONFIG: _config(chosen, shaped, found, say, elapsed, front),
        "Snakefile": snakefile_text(WORKFLOW),
        "profiles/default/profile.yaml": profile_text(own=bool(own)),
        "README.md": readme,
    }
    if own:
        texts["own.yaml"] = own
    return Plan(texts, readme.split("```sh\n")[1].split("```")[0].rstrip())


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


def _config(
    chosen: Choice, shaped: Shape, found: Survey, say: Say, elapsed: Elapsed, front: int
) -> str:
    """The text of config.yaml, with lengths that fit the time."""
    allowed = changes(chosen, shaped.size, shaped.shift)
    precision, speed = measured(chosen, shaped, len(found.classes), say)
    reading = allowed.reading * (shaped.train + shaped.validation)
    if reading > 60.0 * SLOW * chosen.minutes:
        say(f"reading the images takes about {reading / 60:.1f} of the {chosen.minutes:g} minutes")
    tests = found.test or round(0.25 * (shaped.train + shaped.validation))
    seen = (1 + allowed.flip) * tests  # mirrored, too
    testing = front * TESTED * seen / (speed * shaped.train)
    total = training_seconds(chosen, elapsed() + reading + chosen.waves * testing)
    sized = lengths(total, speed * total, shaped.train)
    if chosen.device == "cpu":
        say(f"{sized.portfolio[0]} would see each image {sized.passes:.0f} times in this time")
    if sized.part == 1.0:
        say(f"the search chooses among {len(PORTFOLIO)} networks; there is no time to grow them")
    crop = suited(
        channels=shaped.image[0],
        resized=shaped.size is not None,
        shifted=allowed.shift,
        passes=sized.passes,
    )
    words = ["mirrored"] * allowed.flip + [f"shifted by up to {shaped.shift} px"] * allowed.shift
    words += ["cropped"] * (crop.crop < 1.0)
    words += ["smaller at first"] * (allowed.coarse and sized.small(shaped))
    say(f"training images are {', '.join(words) or 'not varied'} (augment)")
    return config_text(chosen, shaped, sized, precision, allowed, crop)


def measured(chosen: Choice, shaped: Shape, classes: int, say: Say) -> tuple[Precision, float]:
    """Measure how fast the machine trains the first network of the portfolio.

    Each number format is tried for PATIENCE seconds. On a GPU nothing is measured.

    Args:
        chosen: what the user wants.
        shaped: the sizes of the images and batches.
        classes: the number of classes.
        say: is called with each line for the user.

    Returns:
        The faster number format, and the passes over the images that are made per second.
    """
    if chosen.device != "cpu":
        return Precision.BFLOAT16, PLENTY
    from nasflow.planning.speed import training_speed  # imports torch

    g = TEMPLATES[PORTFOLIO[0]](shaped.image, classes)
    kinds = (Precision.FLOAT32, Precision.BFLOAT16)
    found = {
        kind: training_speed(g, shaped.batch, chosen.threads, PATIENCE, kind) for kind in kinds
    }
    fastest = max(kinds, key=lambda kind: found[kind].flops)
    speed = found[fastest]
    say(
        f"training measured: {speed.flops:.2g} FLOPs per second, {chosen.threads} threads, "
        f"{fastest}"
    )
    if speed.busy < BUSY:
        say(
            f"the threads could compute {speed.busy:.0%} of the time: the machine is busy; on an "
            "idle machine the same seconds do more"
        )
    return fastest, speed.flops / (3.0 * g.flops * shaped.train)


def _programs() -> Path | None:
    """The folder of the programs snakemake and nasflow, or None where PATH finds them."""
    own = Path(sys.executable).parent
    found = shutil.which("snakemake")
    return None if found and Path(found).parent == own else own
