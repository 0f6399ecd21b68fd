"""Where images come from, read and checked; the only importer of torchvision.

A source gives train images, test images where it has them, and class names. Images are uint8
(n, height, width, channels), labels int64 from 0; every class occurs in the train images.

Libraries are imported by the reader that needs them (torchvision alone costs 6 s). Wrong input is a
ValueError of one line.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nasflow.data import encoded, pictures

Images = pictures.Images
Labels = npt.NDArray[np.int64]

TORCHVISION = {
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "fashion_mnist": "FashionMNIST",
    "svhn": "SVHN",
}
PARTS = ("train", "test")


class Labelled(NamedTuple):
    """Images (n, h, w, c), their labels (n,), and what each is called: its file, or file and
    row."""

    images: Images
    labels: Labels
    names: tuple[str, ...]


class Source(NamedTuple):
    """What a source holds; `classes` names the labels 0, 1, ...; modes: of pictures on disk."""

    train: Labelled
    validation: Labelled | None
    test: Labelled | None
    classes: tuple[str, ...]
    modes: dict[str, int] = {}  # noqa: RUF012


def digits() -> Source:
    """scikit-learn's 1797 digits, 8 x 8, grey, 0..16 scaled to 0..255. They have no test set."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)[..., None]
    return Source(labelled(images, found.target, "digits"), None, None, tuple("0123456789"))


def from_torchvision(source: str, root: Path, download: bool) -> Source:
    """A data set of torchvision, downloaded into `root` and verified by torchvision's MD5 sums.

    Of FashionMNIST, torchvision checks the sums after a download only, not of files found."""
    from torchvision import datasets

    name = TORCHVISION[source]
    kind = getattr(datasets, name)
    keys = [{"split": part} if name == "SVHN" else {"train": part == "train"} for part in PARTS]
    try:
        with _safe_archives():
            train, test = (kind(root, download=download, **key) for key in keys)
    except Exception as error:  # RuntimeError, URLError, AssertionError, TarError, ...
        remedy = "check network and disk" if download else "set data.download to true"
        raise ValueError(
            f"data.root: {name} is missing or damaged in '{root}'"
            f" ({' '.join(str(error).split())}); {remedy}, or put the files there"
        ) from error
    classes = tuple(getattr(train, "classes", "0123456789"))  # SVHN names none
    first, second = _arrays(train, f"{name} train"), _arrays(test, f"{name} test")
    check_classes(first.labels, classes, name)
    return Source(first, None, second, classes)


def from_disk(
    source: str, train: str, validation: str | None, test: str | None, size: int | None
) -> Source:
    """Pictures in a folder or in Parquet files. All parts are decoded together, so they have one
    size and one number of channels."""
    reader = encoded.folder if source == "folder" else encoded.parquet
    where = f"data.train: '{train}'"
    parts = {"train": reader(train, "data.train")}
    labels = {"train": whole(parts["train"].labels, parts["train"].names, where)}
    classes = check_classes(labels["train"], parts["train"].classes, where)
    for part, path in (("validation", validation), ("test", test)):
        if path is not None:
            parts[part] = reader(path, f"data.{part}")
            labels[part] = _renumbered(parts[part], classes, f"data.{part}: '{path}'")
    names = [name for part in parts.values() for name in part.names]
    contents = [content for part in parts.values() for content in part.contents]
    images, modes = pictures.decoded(names, contents, size)
    found, start = {}, 0
    for part, own in labels.items():
        rows = slice(start, start + len(own))
        found[part] = Labelled(images[rows], own, tuple(names[rows]))
        start += len(own)
    return Source(found["train"], found.get("validation"), found.get("test"), classes, modes)


def labelled(images: npt.NDArray[Any], labels: npt.NDArray[Any], where: str) -> Labelled:
    """Images and labels of a library, checked; `where` is what errors call them."""
    assert images.dtype == np.uint8 and images.ndim == 4, (images.dtype, images.shape)
    if len(images) != len(labels):
        raise ValueError(
            f"{where}: {len(images)} images but {len(labels)} labels; expected as many;"
            f" fetch the data set again"
        )
    names = tuple(f"{where}, image {index}" for index in range(len(images)))
    return Labelled(np.ascontiguousarray(images), whole(labels, names, where), names)


def whole(labels: npt.NDArray[Any], names: Sequence[str], where: str) -> Labels:
    """Labels as int64, (n,), after checking that there are some, all whole numbers from 0."""
    if not len(labels):
        raise ValueError(f"{where}: no images; expected some of each class; add images")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: labels of shape {labels.shape} and type {labels.dtype};"
            f" expected one whole number an image; number the classes"
        )
    wrong = np.flatnonzero(labels < 0)
    if len(wrong):
        raise ValueError(
            f"{names[wrong[0]]}: label {labels[wrong[0]]}; expected 0 or more;"
            f" remove the unlabelled images or number the classes from 0"
        )
    return labels.astype(np.int64)


def check_classes(labels: Labels, names: tuple[str, ...] | None, where: str) -> tuple[str, ...]:
    """The class names (numbers where there are none), after checking that there are two or more and
    that each occurs in the train labels."""
    present = np.unique(labels)
    count = len(names) if names else int(present[-1]) + 1
    if present[-1] >= count:
        raise ValueError(f"{where}: label {present[-1]}, but {count} class names; name every class")
    if count < 2:
        raise ValueError(f"{where}: {count} class; expected 2 or more; add another class")
    if len(present) < count:
        absent = next(i for i in range(count) if i >= len(present) or present[i] != i)
        called = f" ('{names[absent]}')" if names else ""
        raise ValueError(
            f"{where}: no train image of class {absent}{called}; expected some of each of the"
            f" {count} classes; add images or number the classes without gaps"
        )
    return names or tuple(map(str, range(count)))


def _renumbered(test: encoded.Encoded, classes: tuple[str, ...], where: str) -> Labels:
    """Labels of another part in the numbers of the train classes, by name where it has names."""
    labels = whole(test.labels, test.names, where)
    names = test.classes or classes
    unknown = next((name for name in names if name not in classes), None)
    if unknown is not None:
        raise ValueError(
            f"{where}: class '{unknown}' is not in data.train; remove it or add it there"
        )
    over = np.flatnonzero(labels >= len(names))
    if len(over):
        raise ValueError(
            f"{test.names[over[0]]}: label {labels[over[0]]}, but data.train has {len(classes)}"
            f" classes; remove the image or add its class to data.train"
        )
    return np.array([classes.index(name) for name in names], dtype=np.int64)[labels]


@contextmanager
def _safe_archives() -> Iterator[None]:
    """torchvision unpacks a tar whole; the filter of PEP 706 keeps each member in its folder.
    Python 3.11.0 to 3.11.3 have none and rest on torchvision's checksums alone."""
    if not hasattr(tarfile, "data_filter"):
        yield
        return
    before = tarfile.TarFile.__dict__.get("extraction_filter")
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        tarfile.TarFile.extraction_filter = before


def _arrays(part: Any, where: str) -> Labelled:
    images = np.asarray(part.data)
    if images.ndim == 3:  # FashionMNIST (n, h, w)
        images = images[..., None]
    elif images.shape[1] == 3:  # SVHN (n, 3, h, w)
        images = images.transpose(0, 2, 3, 1)
    labels = part.labels if hasattr(part, "labels") else part.targets
    return labelled(images, np.asarray(labels), where)
