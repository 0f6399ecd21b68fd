"""The command `nasflow fit PHOTOS`: from pictures to a trained network.

It plans an experiment in a folder of its own, runs the pipeline there, and says what was found.
"""

from __future__ import annotations

import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nasflow.command.ending import INTERRUPTED
from nasflow.config import files as config_file
from nasflow.fitting.display import Display, clock, display, since
from nasflow.fitting.milestones import Milestones
from nasflow.fitting.pipeline import Pipeline
from nasflow.fitting.request import Request, Standing, front_of, request, save, standing
from nasflow.planning.choices import named
from nasflow.planning.plan import CONFIG, plan
from nasflow.planning.sizing import mirrored
from nasflow.printable import printable
from nasflow.records.closing import closing
from nasflow.records.summaries import searches
from nasflow.storage.running import running

OWN = "nasflow: "  # begins each line that nasflow itself writes
# Lines about what the milestones and the end of the run say in other words.
KNOWN = re.compile(
    r"nasflow: (data: [\d,]+ train|data: classes are|\S+ finished|finished work|nothing changed)"
)
FINISHED = re.compile(r"nasflow: \S+ finished \(")  # begins what a run says at its end
FAILED = re.compile(r"nasflow: \S+ failed \((\d+)\): ")
STOPPED = 75  # exit code after SIGTERM, as of a stage
LOOK = 0.5  # seconds between two looks at the results


def fit(
    *,
    photos: str,
    minutes: float | None = None,
    out: Path | None = None,
    test: str | None = None,
    size: int | None = None,
    set: Sequence[str] = (),
    algorithm: str | None = None,
    seeds: int | None = None,
    device: str | None = None,
    cores: int | None = None,
    with_baseline: bool = False,
    plan_only: bool = False,
    details: bool = False,
) -> int:
    """Plan an experiment on the pictures, run it, and say what was found.

    Args:
        photos: a folder of class folders, Parquet files, or the name of a built-in data set.
        minutes: wall-clock time for everything; None is 20.
        out: the folder of the experiment; None makes one with the name of the pictures.
        test: test images, as `photos`; None takes those in `photos`, or holds out a fifth.
        size: pixels per side to which pictures are resized; None decides by the pictures.
        set: `key=value` texts that change the planned configuration.
        algorithm: the algorithm of the search; None is nasgd.
        seeds: number of searches; they share the time.
        device: where networks live; None is the CPU.
        cores: cores to use; None is all of this machine.
        with_baseline: whether a fixed network gets half of the time, to compare with.
        plan_only: whether to write the folder and stop.
        details: whether the picture on a terminal shows particles and step sizes.

    Returns:
        The exit code.

    Raises:
        ValueError: if a flag or a picture is refused, or the folder holds something else.
    """
    elapsed = since(time.monotonic())
    folder = out if out is not None else Path(f"{named(Path(photos))}_nasflow")
    given = {"minutes": minutes, "test": test, "size": size, "algorithm": algorithm}
    given |= {"seeds": seeds, "device": device, "cores": cores, "with_baseline": with_baseline}
    wish = request(photos, folder, given, set)
    _prepare(folder, wish, plan_only, elapsed)
    return 0 if plan_only else _run(folder, wish, elapsed, details)


def _prepare(folder: Path, wish: Request, told: bool, elapsed: Callable[[], float]) -> None:
    """Write the folder, unless it was made for the same wish.

    Args:
        folder: the folder of the experiment.
        wish: what was asked for.
        told: whether to print the commands that run it.
        elapsed: tells the seconds since the start.
    """
    found = standing(folder, wish)
    if found is Standing.SAME and not told:
        return
    programs = wish.programs
    gone = lambda: programs + (0.0 if told else elapsed())  # noqa: E731  # told: it begins later
    front = front_of(wish.own)
    planned = plan(wish.chosen, folder, print, wish.own_text, gone, front=front)
    if found is not Standing.SAME:
        save(folder, wish, planned.files)
    files = [folder / name for name in (CONFIG, "own.yaml") if name in planned.files]
    if told:
        config_file.check(files=files)
        print("\n" + planned.commands)
    else:
        config_file.read(files)


def _run(folder: Path, wish: Request, elapsed: Callable[[], float], details: bool) -> int:
    """Run the pipeline, show how it goes, and end with what was found."""
    chosen = wish.chosen
    results = folder / "results" / chosen.name
    seen = Milestones(results, several=chosen.trainings > 1)
    if seen.before:
        print(f"kept from before: {seen.names}")
    said: list[str] = []
    found: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="nasflow") as progress,
        display(chosen.name, 60.0 * chosen.minutes, elapsed, details=details) as shown,
    ):
        pipeline = Pipeline(folder, chosen.cores, Path(progress))
        with pipeline.told_to_stop():
            _follow(pipeline, seen, shown, Path(progress), said, found)
    if pipeline.code == 0:
        for line in found or closing(results, searches(results)):
            print(line)
        network = results / chosen.algorithm / "seed_0/final/network"
        print(f"took {clock(elapsed())} of the {clock(60.0 * chosen.minutes)} that you asked for")
        for line in next_lines(folder, network, mirror=mirrored(chosen)):
            print(printable(line))
        return 0
    return _failed(pipeline, seen, said)


def _follow(
    pipeline: Pipeline,
    seen: Milestones,
    shown: Display,
    progress: Path,
    said: list[str],
    found: list[str],
) -> None:
    """Show what happens until the pipeline ends.

    Args:
        pipeline: the run.
        seen: knows which stages ended.
        shown: shows them.
        progress: the folder in which stages tell how far they are.
        said: is filled with the lines that nasflow itself wrote.
        found: is filled with the lines at the end, which say what was found.
    """
    going = True
    while going:
        going = not pipeline.wait(LOOK)
        for line in pipeline.lines():
            if line.startswith(OWN) and not KNOWN.match(line) and line not in said:
                said.append(line)
                shown.say(line)
            if found or FINISHED.match(line):  # its paths are relative to the folder
                found.append(line.replace("results/", f"{pipeline.log.parent}/results/"))
        for milestone in seen.new():
            shown.ended(milestone)
        shown.now(running(progress), seen.best)


def _failed(pipeline: Pipeline, seen: Milestones, said: list[str]) -> int:
    """Say in the last line what is wrong or, after Ctrl-C, what is kept; return the exit code."""
    kept = f"{seen.names} and the state of the stage that ran" if seen.done else "nothing yet"
    again = "the same command goes on from there"
    if pipeline.stopped_by is not None:
        print(f"nasflow: stopped; kept: {kept}; {again}", file=sys.stderr)
        return INTERRUPTED if pipeline.stopped_by == signal.SIGINT else STOPPED
    code = pipeline.code or 1
    if not said:
        said = [f"nasflow: Snakemake ended with exit code {code}; {pipeline.log} tells why"]
    if stage := FAILED.match(said[-1]):  # its exit code says more than that of Snakemake
        code = int(stage[1])
    print(f"nasflow: not finished; {again}, once the problem below is solved", file=sys.stderr)
    print(said[-1], file=sys.stderr)
    return code


def next_lines(folder: Path, network: Path, *, mirror: bool) -> Iterator[str]:
    """Yield the commands that come next.

    Args:
        folder: the folder of the experiment.
        network: stem of the checkpoint of the network that was found.
        mirror: whether MLflow has a copy of the results.
    """
    where, place = shlex.quote(str(network)), shlex.quote(str(folder))
    yield "next:"
    yield f"  nasflow predict {where} PICTURES"
    yield f"  nasflow export {where} --to python --out NEW_FOLDER"
    yield f"  nasflow show {place}"
    if not mirror:
        yield f"  cd {place}; nasflow track --all results; nasflow ui    # its rounds in MLflow"
