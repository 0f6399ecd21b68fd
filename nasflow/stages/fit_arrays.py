"""The one call of the library: a search on arrays within a time, as `nasflow init` plans it.

The plan is the text that `init` writes for own images, made by the same functions. Two things
differ. No image is held out for a test, because the caller keeps those; and the whole time is for
training, because no program is started for each stage.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from nasflow.config.data import Data
from nasflow.data.pictures import resize
from nasflow.planning import symmetry
from nasflow.planning.augmenting import seen
from nasflow.planning.choices import MINUTES, Choice, available_cores
from nasflow.planning.experiment_files import config_text
from nasflow.planning.plan import measured
from nasflow.planning.sizing import Shape, lengths, shape
from nasflow.planning.survey import Survey
from nasflow.stages.arrays import as_pixels
from nasflow.stages.found import Found
from nasflow.stages.in_memory import run_search
from nasflow.training.loop import Progress

PLANNED = ("augment", "base", "pretrain", "search", "baselines", "budget", "final")
LEAST = 0.1  # minutes; below that not even the speed of the machine can be measured
FEWEST = 10  # images, of which one is held out for validation
Pixels = npt.NDArray[np.uint8]


def fit(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    minutes: float = 20.0,
    algorithm: str = "nasgd",
    seed: int = 0,
    device: str = "cpu",
    threads: int | None = None,
    progress: Progress = lambda done, of, note: None,
    **sections: Any,
) -> Found:
    """Find and train a network for images within a time; all choices are those of `nasflow init`.

    Large images are resized, as `init` does it (to 64 x 64 pixels at most).

    Args:
        images: uint8 (n, height, width) or (n, height, width, channels). A tenth of them is held
            out for validation. Keep images for a test of your own.
        labels: one label of any type for each image, (n,).
        minutes: the time for everything.
        algorithm: a name such as nasagd or race.
        seed: the seed of the search.
        device: cpu, cuda or cuda:N.
        threads: cores to use; None is all of this machine, and two at most.
        progress: is called after every step with the steps done, the steps in all and a few words.
        sections: keys that replace those of the plan, such as final={"label_smoothing": 0.0}.

    Raises:
        ValueError: if a key is unknown or a value is wrong, with one line for each problem.
    """
    began = time.monotonic()
    pixels, names = _checked(images, labels, minutes)
    chosen = _choice(minutes, algorithm, device, threads)
    shaped = shape(_survey(pixels, names))
    pixels = _resized(pixels, shaped.size)
    planned = _merged(_plan(pixels, names, chosen, shaped, began), sections)
    given: dict[str, Any] = {"algorithm": algorithm, "seed": seed, "device": device}
    given["threads"] = chosen.threads
    return run_search(pixels, names, progress=progress, **given, **planned)


def _choice(minutes: float, algorithm: str, device: str, threads: int | None) -> Choice:
    """What `nasflow init` would be told."""
    return Choice(
        name="arrays",
        source="folder",
        train=None,
        test=None,
        minutes=minutes,
        algorithm=algorithm,
        device=device,
        cores=available_cores() if threads is None else threads,
    )


def _resized(pixels: Pixels, size: int | None) -> Pixels:
    """Return images with sides of so many pixels, or as they are where the size is None."""
    if size is None:
        return pixels
    if pixels.shape[3] not in (1, 3):
        raise ValueError(
            f"images: {pixels.shape[3]} channels of {pixels.shape[1]} x {pixels.shape[2]}; "
            "expected 1 or 3, or at most 48 x 48 pixels; resize them"
        )
    return resize(pixels, size)


def _merged(planned: dict[str, Any], sections: dict[str, Any]) -> dict[str, Any]:
    """Replace the keys of the plan that the user gives."""
    for name, keys in sections.items():
        both = isinstance(keys, dict) and name in planned
        planned[name] = {**planned[name], **keys} if both else keys
    return planned


def _checked(
    images: npt.ArrayLike, labels: npt.ArrayLike, minutes: float
) -> tuple[Pixels, npt.NDArray[Any]]:
    """Return images and labels as arrays, or raise ValueError where no plan can be made."""
    if not LEAST <= minutes <= MINUTES[1]:
        raise ValueError(f"minutes: {minutes:g}; expected {LEAST:g} to {MINUTES[1]:g}")
    pixels, names = as_pixels(images), np.asarray(labels)
    if names.shape != (len(pixels),):
        raise ValueError(f"labels: {names.shape}; expected one for each of {len(pixels)} images")
    if len(pixels) < FEWEST or len(np.unique(names)) < 2:
        raise ValueError(
            f"images: {len(pixels)} of {len(np.unique(names))} classes; expected at least "
            f"{FEWEST} images and two classes"
        )
    return pixels, names


def _survey(pixels: Pixels, names: npt.NDArray[Any]) -> Survey:
    """What the images are, as `nasflow.planning.survey` would say it of files."""
    classes, counts = np.unique(names, return_counts=True)
    held = round(Data().validation_fraction * len(pixels))
    return Survey(
        images=len(pixels),
        test=0,
        size=(pixels.shape[1], pixels.shape[2], pixels.shape[3]),
        uniform=True,
        classes=dict(zip(map(str, classes.tolist()), counts.tolist(), strict=True)),
        counts={"train": max(1, len(pixels) - held), "validation": max(1, held)},
    )


def _plan(
    pixels: Pixels, names: npt.NDArray[Any], chosen: Choice, shaped: Shape, began: float
) -> dict[str, Any]:
    """The sections of the configuration that `init` would write."""
    numbers = np.unique(names, return_inverse=True)[1].astype(np.int64)
    drawn = np.random.default_rng(0).permutation(len(pixels))[: symmetry.IMAGES]
    told = symmetry.symmetry(pixels[drawn], numbers[drawn], shaped.shift)
    changes = seen(told)
    classes, seconds = int(numbers.max()) + 1, 60.0 * chosen.minutes
    precision, speed = measured(chosen, shaped, classes, lambda line: None)
    left = round(max(seconds - (time.monotonic() - began), 0.5 * seconds), 1)
    sized = lengths(left, speed * left, shaped.train)
    text = config_text(chosen, shaped, sized, precision, changes)
    whole = yaml.safe_load(text)
    return {name: whole[name] for name in PLANNED if name in whole}
