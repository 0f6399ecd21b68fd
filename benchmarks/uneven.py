"""What data.class_weights is worth where one class has 20 times the images of another.

The digits 3, 5, 8 and 9 of scikit-learn, the four that are confused most often. Of 3 and 5 there
are 120 images for training and validation, of 8 and 9 only 6. The other 60 images of each class are
the test set. A short search runs in memory without class weights and with each of them.

    python benchmarks/uneven.py --seeds 3

The balanced accuracy is the mean of the accuracies of the four classes. The plain accuracy is that
of test images with the proportions of the training images.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import nasflow
from nasflow.data.image_sources import digits

CLASSES, MANY, FEW, TEST = (3, 5, 8, 9), 120, 6, 60
SECTIONS = {
    "pretrain": {"epochs": 5.0},
    "search": {"n_neigh": 4, "max_steps": 100},
    "budget": {"rounds": 2},
    "final": {"epochs": 20.0},
}
KINDS: dict[str, Any] = {"none": "none", "balanced": "balanced", "8: 5, 9: 5": {8: 5, 9: 5}}


def main() -> None:
    """Print one line for each kind of class weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, help="searches of each kind (default: 3)")
    seeds = range(parser.parse_args().seeds)
    print(f"{'class_weights':14} {'balanced':>9} {'accuracy':>9}  of each class {CLASSES}")
    for name, weights in KINDS.items():
        recalls = np.array([recall(seed, weights) for seed in seeds])
        balanced, sizes = recalls.mean(1), np.array([MANY, MANY, FEW, FEW])
        plain = recalls @ sizes / sizes.sum()
        each = "  ".join(f"{value:6.1%}" for value in recalls.mean(0))
        spread = f"{balanced.min():.1%} to {balanced.max():.1%}"
        print(f"{name:14} {balanced.mean():9.1%} {plain.mean():9.1%}  {each}  ({spread})")


def recall(seed: int, weights: Any) -> list[float]:
    """Search with one seed, which also draws the images, and test the result class by class."""
    source = digits()
    pixels, labels = source.train.images, source.train.labels
    rng = np.random.default_rng(seed)
    train, test = [], []
    for number, digit in enumerate(CLASSES):
        rows = rng.permutation(np.flatnonzero(labels == digit))
        train.append(rows[TEST:][: MANY if number < len(CLASSES) // 2 else FEW])
        test.append(rows[:TEST])
    rows = np.concatenate(train)
    data = {"class_weights": weights, "validation_fraction": 0.2}
    found = nasflow.run_search(pixels[rows], labels[rows], seed=seed, data=data, **SECTIONS)
    return [found.score(pixels[part], labels[part]) for part in test]


if __name__ == "__main__":
    main()
