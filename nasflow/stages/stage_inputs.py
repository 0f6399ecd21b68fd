"""What a stage is given: its sections, its device, batches that the images allow."""

from __future__ import annotations

import json
from typing import Any

from nasflow.config.experiment import parse, plain
from nasflow.network.network import compile_kernels
from nasflow.printable import shown
from nasflow.training.ranks import own_device

Json = dict[str, Any]


def sections_of(config: str, **classes: type) -> Json:
    """The named sections of a JSON text, checked, as plain data."""
    raw = json.loads(config)
    if not isinstance(raw, dict):
        raise ValueError(f"--config: {shown(raw)}; expected a JSON object of sections")
    return {name: plain(parse(cls, raw.get(name, {}), name)) for name, cls in classes.items()}


def ready(device: str) -> str:
    """The device of this rank, its kernels loaded, like the imports, before seconds count."""
    own = own_device(device)
    if own == "cpu":
        compile_kernels()
    return own


def check_batch(key: str, size: int, images: int) -> None:
    if size > images:
        raise ValueError(f"{key}: {size}; expected at most the {images} images there are")
