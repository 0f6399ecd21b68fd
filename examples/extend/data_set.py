"""A data set of your own: drawn shapes, as arrays, as a folder of pictures, and as a source."""

from pathlib import Path

import numpy as np
from PIL import Image

import nasflow
from nasflow.data.image_sources import Source, labelled

CLASSES = ("circle", "cross", "square")


# [images]
def shapes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images, uint8 (n, 16, 16, 3), and labels (n,): a shape of some colour at some place."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    rows, columns = np.mgrid[:16, :16]
    images = np.zeros((count, 16, 16, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        y, x = np.abs(rows - rng.integers(5, 11)), np.abs(columns - rng.integers(5, 11))
        inside = (y**2 + x**2 <= 16, (y + x <= 4) & ((y == 0) | (x == 0)), np.maximum(y, x) <= 3)
        image[inside[label]] = rng.integers(60, 256, 3)
    return images, labels


# [end of images]


# [folder]
def write_folder(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write one file per image and one folder per class: `data: {source: folder, train: ...}`."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        file = folder / CLASSES[label] / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)


# [end of folder]


# [source]
def source() -> Source:
    """Make a source: images with labels, both checked, and the names of the classes."""
    train, test = (labelled(*shapes(count, seed), "shapes") for count, seed in ((300, 0), (90, 1)))
    return Source(train, None, test, CLASSES)


# [end of source]


def run() -> float:
    """Run a short search and return its accuracy on other images."""
    images, labels = shapes(300, seed=0)
    names = np.array(CLASSES)[labels]
    # [arrays]
    found = nasflow.run_search(
        images,
        names,
        pretrain={"epochs": 5.0},
        search={"n_neigh": 3, "max_steps": 60, "validation_batch_size": 30},
        budget={"rounds": 1},
    )
    others, their = shapes(90, seed=1)
    print(found.facts["classes"], f"{found.score(others, np.array(CLASSES)[their]):.1%}")
    # [end of arrays]
    return found.score(others, np.array(CLASSES)[their])


if __name__ == "__main__":
    run()
