"""How torch multiplies float32 numbers: exactly, or rounded to TF32 first.

TF32 is a number format of NVIDIA GPUs (compute capability 8.0 or higher) with the range of float32
and the 10 bits of a half. torch has one switch for all libraries (`torch.backends.fp32_precision`)
and one for each kind of operation of each library. Its own start values multiply matrices exactly,
and convolutions on a GPU in TF32.

The general switch is not enough. In torch 2.9 to 2.11 the switch of convolutions has the value
tf32 from the start, and a value of its own hides the general one
(https://github.com/pytorch/pytorch/issues/179445). The change that mended it
(https://github.com/pytorch/pytorch/pull/179750) was merged in June 2026. torch 2.14 has it, but
there, too, a value that somebody has set hides the general one. All switches exist since torch 2.9.

The older switches (`allow_tf32`, `torch.set_float32_matmul_precision`) are never set here: torch
raises a RuntimeError where somebody asks for one of them while the newer ones say something else.
They say again what they said before as soon as the newer ones have their former values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_backends: Any = torch.backends
# A switch without a value of its own has the value of its parent: of cudnn, which stands for all
# libraries on a GPU, and then of the general one. Parents stand before their children.
# mkldnn.fp32_precision is missing, because to set it sets the general switch (torch 2.14).
SWITCHES: tuple[Any, ...] = (
    _backends,
    _backends.cudnn,
    _backends.cuda.matmul,
    _backends.cudnn.conv,
    _backends.mkldnn.matmul,
    _backends.mkldnn.conv,
)
# cuDNN's switch of recurrent layers is not set by `products`, because no network here has one. But
# it follows its parent, and torch.export sets it.
WATCHED = (*SWITCHES, _backends.cudnn.rnn)


@contextmanager
def products(wanted: str) -> Iterator[None]:
    """Set how float32 numbers are multiplied; at the end every switch says again what it said.

    A switch that already says `wanted` is left alone. So a switch without a value of its own gets
    none, and it follows its parent again afterwards.

    Args:
        wanted: `ieee` for exact products, or `tf32`.
    """
    before, changed = _values(), []
    try:
        for switch in SWITCHES:
            if (own := switch.fp32_precision) != wanted:  # its own value: its parents say `wanted`
                switch.fp32_precision = wanted
                changed.append((switch, own))
        yield
    finally:
        for switch, own in reversed(changed):
            switch.fp32_precision = own
        _correct(before)


@contextmanager
def traceable() -> Iterator[None]:
    """Make torch.export possible inside of `products`; afterwards the switches say what they said.

    torch.export asks by an old function whether cuDNN may use TF32. torch 2.14 refuses to answer
    it where the newer switches were set, and torch.export sets some of them when it is done.
    """
    cudnn, before = _backends.cudnn, _values()
    try:
        if not _answers():
            _backends.fp32_precision = "none"
        for value in ("tf32", "ieee"):
            if not _answers():
                cudnn.conv.fp32_precision = cudnn.rnn.fp32_precision = value
        yield
    finally:
        _correct(before)


def _values() -> list[str]:
    """Return what each of the WATCHED switches says."""
    return [switch.fp32_precision for switch in WATCHED]


def _correct(values: list[str]) -> None:
    """Set those of the WATCHED switches that do not say these values."""
    for switch, value in zip(WATCHED, values, strict=True):
        if switch.fp32_precision != value:
            switch.fp32_precision = value


def _answers() -> bool:
    """Return whether torch tells by its old function whether cuDNN may use TF32."""
    try:
        return isinstance(_backends.cudnn.allow_tf32, bool)
    except RuntimeError:
        return False
