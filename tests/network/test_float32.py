"""Products of float32 numbers are as wanted, and afterwards all switches are as before."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch

from nasflow.network.float32 import products, traceable

backends: Any = torch.backends
NEWER = {
    "all": backends,
    "cudnn": backends.cudnn,
    "matmul": backends.cuda.matmul,
    "conv": backends.cudnn.conv,
    "rnn": backends.cudnn.rnn,
    "mkldnn matmul": backends.mkldnn.matmul,
    "mkldnn conv": backends.mkldnn.conv,
}
OLDER: tuple[Callable[[], Any], ...] = (
    lambda: backends.cudnn.allow_tf32,
    lambda: backends.cuda.matmul.allow_tf32,
    torch.get_float32_matmul_precision,
)


def newer(name: str, value: str) -> None:
    NEWER[name].fp32_precision = value


def older(module: Any, value: bool) -> None:
    module.allow_tf32 = value


def said() -> tuple[Any, ...]:
    """What each switch says; the older ones may refuse to answer."""
    answers = []
    for ask in OLDER:
        try:
            answers.append(ask())
        except RuntimeError:
            answers.append("mixed")
    return {name: switch.fp32_precision for name, switch in NEWER.items()}, answers


# What a process may have asked for before. With `conv` at tf32 the state is that in which torch 2.9
# to 2.11 start.
FORMER: dict[str, tuple[Callable[[], None], ...]] = {
    "nothing": (),
    "torch 2.10": (partial(newer, "conv", "tf32"), partial(newer, "rnn", "tf32")),
    "tf32 everywhere": (partial(newer, "all", "tf32"),),
    "ieee everywhere": (partial(newer, "all", "ieee"), partial(newer, "conv", "ieee")),
    "cudnn tf32": (partial(newer, "cudnn", "tf32"),),
    "products tf32, convolutions exact": (
        partial(newer, "matmul", "tf32"),
        partial(newer, "conv", "ieee"),
    ),
    "bfloat16 on the CPU": (partial(newer, "mkldnn matmul", "bf16"),),
    "bfloat16 everywhere": (partial(newer, "all", "bf16"),),
    "older: no tf32": (partial(older, backends.cudnn, False),),
    "older: all tf32": (partial(older, backends.cuda.matmul, True),),
    "older: high": (partial(torch.set_float32_matmul_precision, "high"),),
    "older: medium": (partial(torch.set_float32_matmul_precision, "medium"),),
}


@pytest.fixture(params=FORMER)
def former(request: pytest.FixtureRequest) -> Iterator[str]:
    """A process that has asked for something; afterwards the switches have torch's start values."""
    _start()
    for ask in FORMER[request.param]:
        ask()
    yield request.param
    _start()


def _start() -> None:
    with warnings.catch_warnings(action="ignore"):
        torch.set_float32_matmul_precision("highest")
        for name in NEWER:
            newer(name, "none")
        backends.cudnn.allow_tf32 = True


@pytest.mark.parametrize("wanted", ["ieee", "tf32"])
def test_all_switches_say_what_is_wanted_and_then_what_they_said(former: str, wanted: str) -> None:
    before = said()
    with products(wanted):
        inside = said()[0]
        assert {name: inside[name] for name in inside if name != "rnn"} == dict.fromkeys(
            [name for name in inside if name != "rnn"], wanted
        )
        with products("tf32"), products("ieee"):
            assert backends.cudnn.conv.fp32_precision == "ieee"
        assert said()[0] == inside
    assert said() == before


def test_they_are_put_back_after_an_error() -> None:
    before = said()
    with pytest.raises(KeyError), products("tf32"):
        raise KeyError
    assert said() == before


@pytest.mark.parametrize("wanted", ["ieee", "tf32"])
def test_torch_export_gets_its_answer_meanwhile(former: str, wanted: str) -> None:
    before = said()
    with products(wanted):
        inside = said()[0]
        with traceable():
            flags = backends.cudnn.set_flags(False)  # as torch.export does
            backends.cudnn.set_flags(*flags)
        assert said()[0] == inside
    assert said()[0] == before[0]
