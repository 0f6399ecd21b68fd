"""Makes a folder of pictures from scikit-learn's digits, to try docs/own_data.md:

python docs/own_data.py photos

The folder has one folder for each class. The PNG files have sides of 18 to 27 pixels, and are grey
on a tint, some with an alpha channel. The classes are uneven: 178 pictures of a zero, 18 of a nine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def pictures(kept: int = 10) -> Iterator[tuple[str, int, Image.Image]]:
    """Yield class, number and picture; of class d a fraction 1 - d / kept stays, the first ones."""
    found = load_digits()
    seen = [0] * len(NAMES)
    for number, (image, label) in enumerate(zip(found.images, found.target, strict=True)):
        seen[label] += 1
        if label < kept and seen[label] <= 182 * (1.0 - label / kept):
            grey = np.rint(image * (255 / 16)).astype(np.uint8)
            tint = np.stack([grey, grey // 2 + 60, 255 - grey], axis=2)
            picture = Image.fromarray(tint).resize((18 + number % 10, 18 + number % 7))
            yield NAMES[label], number, picture.convert("RGBA") if number % 9 == 0 else picture


def write(top: Path, kept: int = 10) -> None:
    for name, number, picture in pictures(kept):
        folder = top / name
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number:04d}.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
