"""Where images come from: each source is read and checked here.

A source gives train images, validation and test images where it has them, and class names. Images
are uint8 (n, height, width, channels), labels are int64 from 0; every class occurs in the train
images. Pictures on disk are listed here and decoded later, in the order of the splits (`listed`).
This is the only module that imports torchvision.

Each library is imported by the reader that needs it (torchvision alone costs 6 s). Wrong input is
a ValueError of one line.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nasflow.data import encoded, pictures
from nasflow.data.archives import safe_archives
from nasflow.data.labels import Labels, check_classes, check_spelled, renumbered, whole
from nasflow.data.listed import Labelled as Labelled
from nasflow.data.listed import Listed, Part, Rows
from nasflow.data.listed import Source as Source
from nasflow.data.pictures import Decoded
from nasflow.data.pictures import Images as Images

# The name of a source in the configuration, and that of its class in torchvision.
TORCHVISION = {
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "fashion_mnist": "FashionMNIST",
    "svhn": "SVHN",
}
PARTS = ("train", "test")
KEYS = {part: f"data.{part}" for part in ("train", "validation", "test")}


def digits() -> Source:
    """Load the 1797 handwritten digits of scikit-learn: 8 x 8 pixels, grey.

    Their values 0..16 are scaled to 0..255. The data set has no test set of its own.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.rint(found.images * (255 / 16)).astype(np.uint8)[..., None]
    return Source(labelled(images, found.target, "digits"), None, None, tuple("0123456789"))


def from_torchvision(source: str, root: Path, download: bool) -> Source:
    """Load a data set of torchvision.

    torchvision checks the MD5 sums of the files. For FashionMNIST it checks them only after a
    download, and not for files that are already there.

    Args:
        source: the name of the data set, a key of TORCHVISION.
        root: the folder of the files.
        download: whether missing files are downloaded into `root`.

    Returns:
        The train and test images, and the class names.

    Raises:
        ValueError: if the files are missing or damaged, if they are those of an old torchvision, or
            if the download fails.
    """
    from torchvision import datasets

    name = TORCHVISION[source]
    _refuse_old_folder(root / name / "processed")
    kind = getattr(datasets, name)
    keys = [{"split": part} if name == "SVHN" else {"train": part == "train"} for part in PARTS]
    try:
        with safe_archives():
            train, test = (kind(root, download=download, **key) for key in keys)
    except Exception as error:  # RuntimeError, URLError, AssertionError, TarError, ...
        remedy = "check network and disk" if download else "set data.download to true"
        raise ValueError(
            f"data.root: {name} is missing or damaged in '{root}'"
            f" ({' '.join(str(error).split())}); {remedy}, or put the files there"
        ) from error
    classes = tuple(getattr(train, "classes", "0123456789"))  # SVHN has no class names
    first, second = _arrays(train, f"{name} train"), _arrays(test, f"{name} test")
    check_classes(first.labels, classes, name)
    return Source(first, None, second, classes)


def from_disk(
    source: str, train: str, validation: str | None, test: str | None, size: int | None
) -> Listed:
    """List pictures of folders or of Parquet files.

    All parts are decoded together, so that they have the same size and number of channels.

    Args:
        source: `folder` or `parquet`.
        train: the path of the train images: a folder of class folders, or a Parquet file or a
            pattern such as `data/train-*.parquet`.
        validation: the same for the validation images, or None.
        test: the same for the test images, or None.
        size: the width and height in pixels to which pictures are resized, or None to keep them.

    Returns:
        The parts that have a path, with a function that decodes them. The labels of all parts are
        numbered as in train.

    Raises:
        ValueError: if files or labels are unusable, or if a class of another part is not in train.
    """
    paths = {"train": train, "validation": validation, "test": test}
    return listed(*described(source, paths), size)


def listed(
    parts: Mapping[str, encoded.Encoded],
    labels: Mapping[str, Labels],
    classes: tuple[str, ...],
    size: int | None,
) -> Listed:
    """Join the parts that `described` has found.

    Args:
        parts: the pictures of each part.
        labels: their labels, numbered as in train.
        classes: the names of the classes.
        size: the width and height in pixels to which pictures are resized, or None to keep them.
    """
    found, start = {}, 0
    for part, own in labels.items():
        rows = np.arange(start, start + len(own))
        found[part] = Part(rows, own, tuple(parts[part].names))
        start += len(own)

    def decoded(order: Rows) -> Decoded:
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        names = [name for part in parts.values() for name in part.names]
        contents = chain.from_iterable(part.contents for part in parts.values())
        return pictures.decoded(names, contents, size, places)

    return Listed(found["train"], found.get("validation"), found.get("test"), classes, decoded)


def described(
    source: str, paths: Mapping[str, str | None], keys: Mapping[str, str] = KEYS
) -> tuple[dict[str, encoded.Encoded], dict[str, Labels], tuple[str, ...]]:
    """Find the pictures and the labels of all parts on disk, without decoding a picture.

    Args:
        source: `folder` or `parquet`.
        paths: the path of each part (train, validation, test), or None where there is none.
        keys: the key of the configuration that names each path, for messages.

    Returns:
        The pictures of each part, their labels, which are numbered as in train, and the classes.

    Raises:
        ValueError: if files or labels are unusable, or if a class of another part is not in train.
    """
    reader = encoded.folder if source == "folder" else encoded.parquet
    parts: dict[str, encoded.Encoded] = {}
    labels: dict[str, Labels] = {}
    classes: tuple[str, ...] = ()
    for part, path in paths.items():
        if path is None:
            continue
        parts[part], where = reader(path, keys[part]), f"{keys[part]}: '{path}'"
        if part == "train":
            labels[part] = whole(parts[part].labels, parts[part].names, where)
            check_spelled(parts[part], where)
            classes = check_classes(labels[part], parts[part].classes, where)
        else:
            labels[part] = renumbered(parts[part], parts["train"], classes, where)
    return parts, labels, classes


def labelled(images: npt.NDArray[Any], labels: npt.NDArray[Any], where: str) -> Labelled:
    """Check the images and labels that a library gives.

    Args:
        images: uint8 (n, height, width, channels).
        labels: whole numbers from 0, (n,).
        where: the name of the data set, for messages.

    Returns:
        The images, the labels as int64, and a name for each image.

    Raises:
        ValueError: if there is not one whole number from 0 for each image, or no image.
    """
    assert images.dtype == np.uint8 and images.ndim == 4, (images.dtype, images.shape)
    if len(images) != len(labels):
        raise ValueError(
            f"{where}: {len(images)} images but {len(labels)} labels; expected one label for"
            f" each image; fetch the data set again"
        )
    names = tuple(f"{where}, image {index}" for index in range(len(images)))
    return Labelled(images, whole(labels, names, where), names)


def _refuse_old_folder(folder: Path) -> None:
    """Refuse the files of torchvision before 0.9.

    torchvision reads them in place of the original ones, by torch.load and without a checksum.
    """
    for name in ("training.pt", "test.pt"):
        if (folder / name).exists():
            raise ValueError(
                f"data.root: '{folder / name}' is a file of an old torchvision, which has no"
                " checksum; expected the original files; delete the folder 'processed'"
            )


def _arrays(part: Any, where: str) -> Labelled:
    """The images and labels of a torchvision data set, with the channels as the last axis."""
    images = np.asarray(part.data)
    if images.ndim == 3:  # FashionMNIST (n, h, w)
        images = images[..., None]
    elif images.shape[1] == 3:  # SVHN (n, 3, h, w)
        images = images.transpose(0, 2, 3, 1)
    labels = part.labels if hasattr(part, "labels") else part.targets
    return labelled(images, np.asarray(labels), where)
