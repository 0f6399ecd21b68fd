"""The command `nasflow init FOLDER`: make the folder of a new experiment, and run nothing.

The folder gets a configuration, a Snakefile, a profile, and a README that says how to go on. It
runs the workflow of this nasflow. Results are written into it too. `nasflow fit` makes the same
folder from the path of the images alone, and runs it.
"""

from __future__ import annotations

from pathlib import Path

from nasflow.config import files as config_file
from nasflow.planning.choices import choice
from nasflow.planning.plan import CONFIG, plan
from nasflow.printable import shown
from nasflow.storage.files import write


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
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{shown(str(folder))}: not empty; expected a new or an empty folder")
    flags = {"data": data, "train": train, "test": test, "minutes": minutes}
    chosen = choice(folder, flags | {"algorithm": algorithm, "device": device, "cores": cores})
    planned = plan(chosen, folder, print)
    for name, text in planned.files.items():
        write(folder / name, text.encode())
    config_file.check(files=[folder / CONFIG])
    print("\n" + planned.commands)
