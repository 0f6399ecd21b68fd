"""What a stage is given: its sections, its device, and batches that the images allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from nasflow.config.reading import parse
from nasflow.config.section import Section
from nasflow.network.network import compile_kernels
from nasflow.printable import shown
from nasflow.training import heap
from nasflow.training.process import one_thread
from nasflow.training.ranks import own_device

S = TypeVar("S", bound=Section)


def sections_of(config: str) -> dict[str, Any]:
    """Read the sections of a configuration from a JSON text, as plain data by name.

    Raises:
        ValueError: if the text is no JSON object.
    """
    raw: Any = json.loads(config)
    if not isinstance(raw, dict):
        raise ValueError(f"--config: {shown(raw)}; expected a JSON object of sections")
    return raw


def section(cls: type[S], sections: dict[str, Any], name: str) -> S:
    """Check one of the sections of `sections_of`; one that is left out has its defaults."""
    return parse(cls, sections.get(name, {}), name)


@contextmanager
def stage(device: str) -> Iterator[str]:
    """Make the process one of a stage, and give the device of its rank.

    Torch computes on one thread, freed memory stays with the process, and on a CPU the kernels are
    loaded, like the imports, before seconds count.

    Raises:
        ValueError: if there is no such device.
    """
    own = own_device(device)
    heap.apart()
    with one_thread():
        if own == "cpu":
            compile_kernels()
        yield own


def check_batch(key: str, size: int, images: int) -> None:
    """Refuse a batch that is larger than the images allow.

    Raises:
        ValueError: if `size` exceeds `images`; it names the key of the configuration.
    """
    if size > images:
        raise ValueError(f"{key}: {size}; expected at most the {images} images there are")
